import itertools
import math

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.data import Batch, DatasetReader, Vocabulary
from nlpreg.models.model import Model
from nlpreg.models.tagging import spans_of
from nlpreg.modules.conditional_random_field import (
    ConditionalRandomFieldWeightEmission,
    ConditionalRandomFieldWeightLannoy,
    ConditionalRandomFieldWeightTrans,
)

LENGTHS = [4, 2, 1]


def make_tagger(vocab, **arguments):
    torch.manual_seed(0)
    config = {
        "type": "crf_tagger",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 5}}},
        "encoder": {"type": "lstm", "input_size": 5, "hidden_size": 3, "bidirectional": True},
        **arguments,
    }
    return Model.from_params(Params(config), vocab=vocab)


def path_score(tagger, logits, path):
    crf = tagger.crf
    score = crf.start_transitions[path[0]] + crf.end_transitions[path[-1]]
    score = score + sum(logits[position, tag] for position, tag in enumerate(path))
    return score + sum(crf.transitions[a, b] for a, b in itertools.pairwise(path))


def all_scores(tagger, logits):
    paths = list(itertools.product(range(logits.size(1)), repeat=logits.size(0)))
    return paths, torch.stack([path_score(tagger, logits, path) for path in paths])


def test_loss_and_best_paths_against_all_paths(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab, top_k=3)
    output = tagger(tokens, tags)
    log_likelihood = 0.0
    for row, length in enumerate(LENGTHS):
        logits = output["logits"][row, :length]
        paths, scores = all_scores(tagger, logits)
        log_likelihood += path_score(tagger, logits, tags[row, :length].tolist()) - scores.logsumexp(0)
        best = scores.topk(3)
        assert output["tags"][row] == list(paths[best.indices[0]])
        for (found, score), index, expected in zip(
            output["top_k_tags"][row], best.indices, best.values, strict=True
        ):
            assert found == list(paths[index])
            assert float(score) == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(output["loss"], -log_likelihood)
    assert set(output) == {"logits", "mask", "tags", "top_k_tags", "loss"}


def test_gradient_reaches_every_part(tag_vocab, tokens, tags):
    tagger = make_tagger(
        tag_vocab, feedforward={"input_dim": 6, "num_layers": 1, "hidden_dims": 4, "activations": "tanh"}
    )
    tagger(tokens, tags)["loss"].backward()
    for name, parameter in tagger.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.any(), name


def test_names_of_the_weights(tag_vocab):
    tagger = make_tagger(
        tag_vocab,
        feedforward={"input_dim": 6, "num_layers": 1, "hidden_dims": 4, "activations": "tanh"},
        label_weights={"O": 0.5},
    )
    names = {
        name for name in tagger.state_dict() if not name.startswith(("text_field_embedder.", "encoder."))
    }
    assert names == {
        "_feedforward._linear_layers.0.weight",
        "_feedforward._linear_layers.0.bias",
        "tag_projection_layer._module.weight",
        "tag_projection_layer._module.bias",
        "crf.transitions",
        "crf._constraint_mask",
        "crf.start_transitions",
        "crf.end_transitions",
        "crf.label_weights",
    }
    without = make_tagger(tag_vocab, include_start_end_transitions=False).state_dict()
    assert "crf.start_transitions" not in without


def test_constrained_decoding_keeps_to_the_encoding(tag_vocab, tokens):
    for seed in range(5):
        tagger = make_tagger(tag_vocab, label_encoding="BIO")
        torch.manual_seed(seed)
        torch.nn.init.normal_(tagger.tag_projection_layer._module.weight, std=5.0)
        output = tagger.make_output_human_readable(tagger(tokens))
        for path in output["tags"]:
            for before, after in itertools.pairwise(["O", *path]):
                assert after[0] != "I" or before[1:] == after[1:]


def test_gold_tags_that_the_encoding_does_not_allow_are_said_once(tag_vocab, tokens, tags, caplog):
    words = [["Ann", "and", "Bob", "go"], ["to", "Rome"], ["."]]
    metadata = [{"words": sentence} for sentence in words]
    bio = torch.tensor([[1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    tagger = make_tagger(tag_vocab, label_encoding="IOB1")
    for _ in range(2):
        tagger(tokens, bio, metadata)
    (record,) = [record for record in caplog.records if "label_encoding" in record.getMessage()]
    assert "IOB1 does not allow the gold tags of 1 of the 3 sentences" in record.getMessage()
    assert "such as: Ann/B-PER and/I-PER Bob/O go/O." in record.getMessage()
    caplog.clear()
    make_tagger(tag_vocab, label_encoding="BIO")(tokens, bio, metadata)
    assert not caplog.records


def test_readable_outputs(tag_vocab, tokens):
    tagger = make_tagger(tag_vocab, top_k=2)
    output = tagger(tokens, metadata=[{"words": ["w"] * n} for n in LENGTHS])
    ids = output["tags"]
    readable = tagger.make_output_human_readable(output)
    assert [len(path) for path in readable["tags"]] == LENGTHS
    assert readable["tags"][0] == [tag_vocab.get_token_from_index(tag, "labels") for tag in ids[0]]
    for path, best in zip(readable["tags"], readable["top_k_tags"], strict=True):
        assert best[0]["tags"] == path
        assert best[0]["score"] >= best[1]["score"]
        assert isinstance(best[0]["score"], float)
    assert readable["words"][1] == ["w", "w"]


def test_metrics_show_the_paths_found(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab, label_encoding="BIO", verbose_metrics=True)
    output = tagger(tokens, tags)
    right = [
        found == gold
        for row, length in enumerate(LENGTHS)
        for found, gold in zip(output["tags"][row], tags[row, :length].tolist(), strict=True)
    ]
    metrics = tagger.get_metrics(reset=True)
    assert metrics["accuracy"] == pytest.approx(sum(right) / len(right))
    assert "f1-measure-PER" in metrics and "f1-measure-overall" in metrics
    assert "O-precision" not in metrics


@pytest.mark.parametrize("top_k", [3, 1000])
@pytest.mark.parametrize("encoding", [None, "BIO"])
def test_confidences_against_all_paths(tag_vocab, tokens, encoding, top_k):
    tagger = make_tagger(tag_vocab, top_k=top_k, confidences=True, label_encoding=encoding).eval()
    output = tagger(tokens)
    logits = output["logits"]
    readable = tagger.make_output_human_readable(output)
    assert "top_k_probabilities" not in readable
    names = tag_vocab.get_token_to_index_vocabulary("labels")
    for row, length in enumerate(LENGTHS):
        paths, scores = all_scores(tagger, logits[row, :length])
        allowed = tagger.crf.allows(torch.tensor(paths))
        probabilities = scores.masked_fill(~allowed, -torch.inf).softmax(0)
        best = [names[tag] for tag in readable["tags"][row]]
        expected = [
            sum(
                p for p, path in zip(probabilities, paths, strict=True) if path[position] == best[position]
            ).item()
            for position in range(length)
        ]
        assert readable["confidences"][row] == pytest.approx(expected, abs=1e-5)
        for entry in readable["top_k_tags"][row]:
            index = paths.index(tuple(names[tag] for tag in entry["tags"]))
            assert entry["probability"] == pytest.approx(probabilities[index].item(), abs=1e-5)
        assert len(readable["top_k_tags"][row]) == min(top_k, int(allowed.sum()))


def test_the_three_best_tags_are_those_of_the_marginals(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab).eval()
    output = tagger(tokens, tags)
    marginals = tagger.crf.marginals(output["logits"], output["mask"])
    right = 0
    for row, length in enumerate(LENGTHS):
        for position in range(length):
            others = marginals[row, position].clone()
            others[output["tags"][row][position]] = 2.0  # the tag that was found comes first
            right += int(tags[row, position] in others.topk(3).indices)
    assert tagger.get_metrics(reset=True)["accuracy3"] == pytest.approx(right / sum(LENGTHS))


def test_verbose_metrics_of_tags_without_spans(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab, verbose_metrics=True)
    tagger(tokens, tags)
    metrics = tagger.get_metrics()
    assert {"O-precision", "B-PER-recall", "I-LOC-fscore", "micro-fscore", "macro-recall"} <= set(metrics)
    plain = make_tagger(tag_vocab)
    plain(tokens, tags)
    assert set(plain.get_metrics()) == {"accuracy", "accuracy3"}


def test_outside_tags_may_be_left_out_of_the_loss(tag_vocab, tokens, tags):
    by_argument, by_config = make_tagger(tag_vocab), make_tagger(tag_vocab, ignore_loss_on_o_tags=True)
    with_argument = by_argument(tokens, tags, ignore_loss_on_o_tags=True)
    torch.testing.assert_close(with_argument["loss"], by_config(tokens, tags)["loss"])
    plain = by_argument(tokens, tags)
    torch.testing.assert_close(by_config(tokens, tags, ignore_loss_on_o_tags=False)["loss"], plain["loss"])
    assert with_argument["loss"] != plain["loss"]
    expected = -by_argument.crf(plain["logits"], tags, plain["mask"] & (tags != 0))
    torch.testing.assert_close(with_argument["loss"], expected)


@pytest.mark.parametrize(
    "strategy,crf",
    [
        (None, ConditionalRandomFieldWeightEmission),
        ("emission", ConditionalRandomFieldWeightEmission),
        ("emission_transition", ConditionalRandomFieldWeightTrans),
        ("lannoy", ConditionalRandomFieldWeightLannoy),
    ],
)
def test_label_weights(tag_vocab, tokens, tags, strategy, crf):
    tagger = make_tagger(tag_vocab, label_weights={"I-LOC": 3, "O": 0.5}, weight_strategy=strategy)
    assert type(tagger.crf) is crf
    assert tagger.label_weights == [0.5, 1.0, 1.0, 1.0, 3.0]
    tagger(tokens, tags)["loss"].backward()


def test_other_fields_of_an_instance_do_no_harm(tag_vocab, tokens, tags):
    output = make_tagger(tag_vocab)(tokens=tokens, tags=tags, pos_tags=tags)
    assert output["loss"] > 0


def test_one_word_alone_and_a_sentence_without_words(tag_vocab):
    tagger = make_tagger(tag_vocab)
    output = tagger(
        {"tokens": {"tokens": torch.tensor([[5, 0], [0, 0]])}}, torch.zeros(2, 2, dtype=torch.long)
    )
    assert [len(path) for path in output["tags"]] == [1, 0]


def test_bad_configs(tag_vocab):
    bad = [
        ({"constrain_crf_decoding": True}, "constrain_crf_decoding needs model.label_encoding"),
        ({"calculate_span_f1": True}, "calculate_span_f1 needs model.label_encoding"),
        ({"label_weights": {"X": 2.0}}, "'X' is not in the vocabulary's namespace 'labels'"),
        ({"weight_strategy": "lannoy"}, "weight_strategy needs model.label_weights"),
        ({"weight_strategy": "heavy", "label_weights": {}}, "weight_strategy"),
        (
            {"encoder": {"type": "lstm", "input_size": 7, "hidden_size": 3}},
            "the input of encoder has width 7",
        ),
        (
            {"feedforward": {"input_dim": 7, "num_layers": 1, "hidden_dims": 4, "activations": "tanh"}},
            "the input of feedforward has width 7",
        ),
    ]
    for arguments, message in bad:
        with pytest.raises(ConfigurationError, match=message):
            make_tagger(tag_vocab, **arguments)


def test_it_learns(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab, dropout=0.1)
    optimizer = torch.optim.Adam(tagger.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        tagger(tokens, tags)["loss"].backward()
        optimizer.step()
    found = tagger.eval()(tokens)["tags"]
    assert found == [tags[row, :length].tolist() for row, length in enumerate(LENGTHS)]


def all_paths(tagger, logits):
    """The probability of every sequence of tags that decoding allows, by the score of each written out."""
    crf, num_tags = tagger.crf, tagger.num_tags
    allowed = crf._constraint_mask.bool()
    scores = {}
    for path in itertools.product(range(num_tags), repeat=len(logits)):
        steps = [(num_tags, path[0]), *itertools.pairwise(path), (path[-1], num_tags + 1)]
        if all(allowed[step] for step in steps):
            scores[path] = float(path_score(tagger, logits, path))
    total = sum(math.exp(score) for score in scores.values())
    return {path: math.exp(score) / total for path, score in scores.items()}


@torch.no_grad()
@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize("encoding", ["BIO", "IOB1"])
@pytest.mark.parametrize("seed", range(4))
def test_confidence_of_a_span_is_the_share_of_the_sequences_that_have_it(
    tag_vocab, tokens, encoding, constrained, seed
):
    tagger = make_tagger(
        tag_vocab, label_encoding=encoding, confidences=True, constrain_crf_decoding=constrained
    )
    torch.manual_seed(seed)
    for parameter in tagger.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    tagger.eval()
    output = tagger(tokens)
    names = tag_vocab.get_index_to_token_vocabulary("labels")
    for row, length in enumerate((4, 2, 1)):
        paths = all_paths(tagger, output["logits"][row, :length])
        found = spans_of([names[tag] for tag in output["tags"][row]], encoding)
        assert len(found) == len(output["spans"][row])
        for span, described in zip(found, output["spans"][row], strict=True):
            assert (described["label"], described["start"], described["end"]) == span
            having = [
                probability
                for path, probability in paths.items()
                if span in spans_of([names[tag] for tag in path], encoding)
            ]
            assert described["confidence"] == pytest.approx(sum(having), abs=1e-5)


def test_threshold_leaves_out_spans_and_marks_words(tag_vocab, tokens):
    tagger = make_tagger(tag_vocab, label_encoding="BIO", confidences=True).eval()
    every = tagger.make_output_human_readable(tagger(tokens))
    assert "uncertain" not in every
    confidences = [span["confidence"] for spans in every["spans"] for span in spans]
    tagger.confidence_threshold = 1.0
    none = tagger.make_output_human_readable(tagger(tokens))
    assert confidences and max(confidences) < 1 and not any(none["spans"])
    assert none["uncertain"] == [[0, 1, 2, 3], [0, 1], [0]]
    tagger.training = True
    assert "spans" not in tagger(tokens)


@torch.no_grad()
def test_partial_labels_sum_over_unknown_tags(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab, partial_labels=True)
    partly = tags.clone()
    partly[0, 1], partly[0, 3], partly[1, 0], partly[2, 0] = -1, -1, -1, -1
    output = tagger(tokens, partly)
    expected = 0.0
    for row, length in enumerate((4, 2, 1)):
        known = {t: int(partly[row, t]) for t in range(length) if partly[row, t] >= 0}
        paths = all_paths(tagger, output["logits"][row, :length])
        agreeing = sum(p for path, p in paths.items() if all(path[t] == tag for t, tag in known.items()))
        expected -= math.log(agreeing)
    assert output["loss"].item() == pytest.approx(expected, abs=1e-4)
    # accuracy looks at the three words whose tag is known
    right = sum(output["tags"][row][t] == tags[row, t] for row, t in ((0, 0), (0, 2), (1, 1)))
    assert tagger.get_metrics()["accuracy"] == pytest.approx(int(right) / 3)
    plain = make_tagger(tag_vocab)
    torch.testing.assert_close(tagger(tokens, tags)["loss"], plain(tokens, tags)["loss"])
    with pytest.raises(
        ConfigurationError, match="tags of some words are not known.*set model.partial_labels"
    ):
        plain(tokens, partly)
    with pytest.raises(ConfigurationError, match="partial_labels: not together with label_weights"):
        make_tagger(tag_vocab, partial_labels=True, label_weights={"O": 0.5})


@torch.no_grad()
@pytest.mark.parametrize(
    ("reader", "text"),
    [
        ({"type": "sequence_tagging"}, "a###B-X b###? c###O d###?\n"),
        ({"type": "conllu", "tag_column": "xpos"}, None),
        ({"type": "conll2000"}, "a P B-X\nb P ?\nc P O\nd P ?\n"),
        ({"type": "conll2003"}, "a P C B-X\nb P C ?\nc P C O\nd P C ?\n"),
        ({"type": "conll2000", "convert_to_coding_scheme": "BIOUL"}, "a P B-X\nb P I-X\nc P O\nd P ?\n"),
    ],
)
def test_partial_labels_of_a_file_sum_over_unknown_tags(tmp_path, reader, text):
    if text is None:
        rows = zip("1234", "abcd", ["B-X", "?", "O", "?"], strict=True)
        text = "".join("\t".join([n, word, "_", "_", tag, *"_____"]) + "\n" for n, word, tag in rows) + "\n"
    path = tmp_path / "data.txt"
    path.write_text(text)
    made = DatasetReader.from_params(Params({**reader, "unknown_tag": "?"}))
    instances = list(made.read(str(path)))
    for instance in instances:
        made.apply_token_indexers(instance)
    vocab = Vocabulary.from_instances(instances)
    batch = Batch(instances)
    batch.index_instances(vocab)
    tensors = batch.as_tensor_dict()
    tagger = make_tagger(vocab, partial_labels=True)
    output = tagger(**tensors)
    known = {t: int(tag) for t, tag in enumerate(tensors["tags"][0]) if tag >= 0}
    assert 2 <= len(known) < 4
    paths = all_paths(tagger, output["logits"][0])
    agreeing = sum(p for path, p in paths.items() if all(path[t] == tag for t, tag in known.items()))
    assert output["loss"].item() == pytest.approx(-math.log(agreeing), abs=1e-4)


def test_spans_with_an_unknown_tag_are_not_measured(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab, partial_labels=True, label_encoding="BIO", constrain_crf_decoding=False)
    tagger(tokens, torch.full_like(tags, -1))
    metrics = tagger.get_metrics(reset=True)
    assert metrics["f1-measure-overall"] == metrics["accuracy"] == 0.0
    gold = torch.tensor([[1, 2, 0, 3], [-1, -1, 0, 0], [3, 0, 0, 0]])
    tagger(tokens, gold)
    counts = tagger._f1_metric
    true, missed = sum(counts._true_positives.values()), sum(counts._false_negatives.values())
    assert true + missed == 3  # spans of the first and the third sentence
