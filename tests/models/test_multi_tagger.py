import pytest
import torch

from nlpreg.commands.command_line import exit_status
from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Batch, Vocabulary
from nlpreg.data.dataset_readers import ConlluDatasetReader
from nlpreg.models import Model, MultiTagger, TaggingHead, archive_model, load_archive
from nlpreg.predictors import Predictor
from nlpreg.training.metrics import load_metrics_state_dict, metrics_state_dict

SENTENCES = [
    [
        ("She", "PRON", "PRP", "Case=Nom|Number=Sing"),
        ("sees", "VERB", "VBZ", "Number=Sing|Tense=Pres"),
        ("us", "PRON", "PRP", "Case=Acc|Number=Plur"),
        (".", "PUNCT", ".", "_"),
    ],
    [("Dogs", "NOUN", "NNS", "Number=Plur"), ("ran", "VERB", "VBD", "Tense=Past")],
]
READER = ConlluDatasetReader(further_columns=["xpos", "feats"])
HEADS = {"tags": {}, "xpos_tags": {"loss_weight": 0.5}, "feats": {"type": "features", "loss_weight": 0.25}}


def instance_of(sentence):
    words, upos, xpos, feats = (list(column) for column in zip(*sentence, strict=True))
    instance = READER.text_to_instance(words, upos, {"xpos": xpos, "feats": feats})
    READER.apply_token_indexers(instance)
    return instance


def instances():
    return [instance_of(sentence) for sentence in SENTENCES]


def make_tagger(vocab, heads=HEADS, **arguments):
    torch.manual_seed(0)
    config = {
        "type": "multi_tagger",
        "text_field_embedder": {"token_embedders": {"tokens": {"embedding_dim": 6}}},
        "encoder": {"type": "lstm", "input_size": 6, "hidden_size": 5, "bidirectional": True},
        "heads": heads,
        **arguments,
    }
    tagger = Model.from_params(Params(config), vocab=vocab)
    assert isinstance(tagger, MultiTagger)
    return tagger


def batch_of(some, vocab):
    batch = Batch(some)
    batch.index_instances(vocab)
    return batch.as_tensor_dict()


def log_probability(scores, label, head):
    """Of a word's gold label by a head: one softmax, or one for each feature."""
    if head.name != "feats":
        return scores.log_softmax(-1)[head.vocab.get_token_index(label, head.label_namespace)]
    values = dict(pair.split("=") for pair in label.split("|")) if label != "_" else {}
    total, start = 0.0, 0
    for feature, known in head.values.items():
        part = scores[start : start + len(known)].log_softmax(-1)
        total = total + part[known.index(values.get(feature, "_"))]
        start += len(known)
    return total


def test_loss_is_the_weighted_mean_over_words():
    vocab = Vocabulary.from_instances(instances())
    tagger = make_tagger(vocab)
    fields = batch_of(instances(), vocab)
    output = tagger(**fields)
    encoded = tagger.encoder(tagger.text_field_embedder(fields["tokens"]), output["_mask"])
    total = 0.0
    for row, sentence in enumerate(SENTENCES):
        for position, (_, *labels) in enumerate(sentence):
            for head, label in zip(tagger.heads.values(), labels, strict=True):
                of_word = log_probability(head(encoded)[row, position], label, head)
                total = total - head.loss_weight * of_word
    torch.testing.assert_close(output["loss"], total / 6)
    assert output["batch_weight"] == 6


def test_labels_and_metrics():
    vocab = Vocabulary.from_instances(instances())
    tagger = make_tagger(vocab).eval()
    fields = batch_of(instances(), vocab)
    output = tagger(**fields)
    gold = tagger.gold_labels(fields, output)
    assert gold == {
        f"gold_{name}": [[word[column] for word in sentence] for sentence in SENTENCES]
        for column, name in enumerate(HEADS, start=1)
    }
    found = tagger.make_output_human_readable(output)
    right = {
        name: [
            a == b
            for row, gold_row in zip(found[name], gold[f"gold_{name}"], strict=True)
            for a, b in zip(row, gold_row, strict=True)
        ]
        for name in HEADS
    }
    metrics = tagger.get_metrics(reset=True)
    for name, values in right.items():
        assert metrics[f"{name}_accuracy"] == pytest.approx(sum(values) / 6)
    both = [all(values) for values in zip(*right.values(), strict=True)]
    assert metrics["joint_accuracy"] == pytest.approx(sum(both) / 6)
    assert {"_feats_Case_accuracy", "_feats_Number_accuracy", "_feats_Tense_accuracy"} < metrics.keys()
    assert set(tagger.get_metrics().values()) == {0.0}


def perfect(tagger, fields, output):
    """Probabilities that are 1 for the gold labels."""
    one_hot = torch.nn.functional.one_hot
    vocab = tagger.vocab
    found = {
        name: one_hot(fields[name], vocab.get_vocab_size("labels" if name == "tags" else name)).float()
        for name in ("tags", "xpos_tags")
    }
    head = tagger.heads["feats"]
    values = head._gold_values(fields["feats"])[..., :-1].unbind(-1)
    parts = [
        one_hot(value, len(known)).float() for value, known in zip(values, head.values.values(), strict=True)
    ]
    return {**found, "feats": torch.cat(parts, -1)}


def test_gold_labels_as_predictions_are_all_right():
    vocab = Vocabulary.from_instances(instances())
    tagger = make_tagger(vocab).eval()
    fields = batch_of(instances(), vocab)
    output = tagger(**fields)
    tagger.get_metrics(reset=True)
    probabilities = perfect(tagger, fields, output)
    tagger.choose(output, probabilities, fields)
    assert set(tagger.get_metrics(reset=True).values()) == {1.0}
    found = tagger.make_output_human_readable({**output, "_probabilities": probabilities})
    for column, name in enumerate(HEADS, start=1):
        assert found[name] == [[word[column] for word in sentence] for sentence in SENTENCES]


def test_features_that_training_lacks_are_errors():
    vocab = Vocabulary.from_instances(instances())
    tagger = make_tagger(vocab).eval()
    other = [("Cats", "NOUN", "NNS", "Gender=Fem|Number=Plur"), ("ran", "VERB", "VBD", "Tense=Past")]
    fields = batch_of([instance_of(other)], vocab)
    output = tagger(**fields)
    assert output["loss"].isfinite()
    tagger.get_metrics(reset=True)
    tagger.choose(output, perfect(tagger, fields, output), fields)
    metrics = tagger.get_metrics()
    assert metrics["feats_accuracy"] == metrics["joint_accuracy"] == 0.5
    assert metrics["_feats_Number_accuracy"] == metrics["tags_accuracy"] == 1.0


def test_a_sentence_alone_is_as_in_a_batch():
    vocab = Vocabulary.from_instances(instances())
    tagger = make_tagger(vocab).eval()
    together = tagger.forward_on_instances(instances())
    for instance, expected in zip(instances(), together, strict=True):
        alone = tagger.forward_on_instance(instance)
        assert {name: alone[name] for name in HEADS} == {name: expected[name] for name in HEADS}
        assert len(alone["feats"]) == len(alone["words"])


def test_heads_without_gold_labels_add_nothing():
    vocab = Vocabulary.from_instances(instances())
    tagger = make_tagger(vocab, dropout=0.5, variational_dropout=False)
    fields = batch_of(instances(), vocab)
    tagger(tokens=fields["tokens"], tags=fields["tags"])["loss"].backward()
    assert "loss" not in tagger(tokens=fields["tokens"])
    assert tagger.heads["xpos_tags"].projection.weight.grad is None


def test_learns_and_is_archived(tmp_path):
    vocab = Vocabulary.from_instances(instances())
    tagger = make_tagger(vocab, dropout=0.1)
    optimizer = torch.optim.Adam(tagger.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        tagger(**batch_of(instances(), vocab))["loss"].backward()
        optimizer.step()
    tagger.eval()
    tagger.get_metrics(reset=True)
    tagger(**batch_of(instances(), vocab))
    assert tagger.get_metrics()["joint_accuracy"] == 1.0
    state = metrics_state_dict(tagger)
    load_metrics_state_dict(make_tagger(vocab), state)
    config = {
        "dataset_reader": {"type": "conllu", "further_columns": ["xpos", "feats"]},
        "model": {
            "type": "multi_tagger",
            "text_field_embedder": {"token_embedders": {"tokens": {"embedding_dim": 6}}},
            "encoder": {"type": "lstm", "input_size": 6, "hidden_size": 5, "bidirectional": True},
            "heads": HEADS,
        },
    }
    Params(config).to_file(str(tmp_path / "config.json"))
    vocab.save_to_files(str(tmp_path / "vocabulary"))
    torch.save(tagger.state_dict(), tmp_path / "best.th")
    archive_model(str(tmp_path))
    archive = load_archive(str(tmp_path / "model.tar.gz"))
    text = tmp_path / "in.conllu"
    text.write_text("# a comment\n1\tDogs\t_\t_\t_\t_\t_\t_\t_\t_\n2\tran\trun\tX\t_\t_\t_\t_\t_\t_\n\n")
    options = ["--input", "conllu", "--output", "conllu", "--output-file", str(tmp_path / "out.conllu")]
    assert exit_status("nlpreg", ["predict", str(tmp_path / "model.tar.gz"), str(text), *options]) == 0
    assert (tmp_path / "out.conllu").read_text() == (
        "# a comment\n1\tDogs\t_\tNOUN\tNNS\tNumber=Plur\t_\t_\t_\t_\n"
        "2\tran\trun\tVERB\tVBD\tTense=Past\t_\t_\t_\t_\n\n"
    )
    found = Predictor.from_archive(archive).predict_json({"sentence": "Dogs ran"})
    assert found["tags"] == ["NOUN", "VERB"]
    assert found["xpos_tags"] == ["NNS", "VBD"]
    assert found["feats"] == ["Number=Plur", "Tense=Past"]


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ({}, "expected at least one head, got none"),
        ({"deprel_tags": {}}, "no entries in the namespace 'deprel_tags'.*further_columns"),
        ({"tags": {"type": "features"}}, "expected a padded namespace.*'labels' is not padded"),
        (
            {"tokens": {"type": "features"}},
            "expected entries such as Case=Nom in the namespace 'tokens', got",
        ),
        ({"tags": {"loss_weight": -1.0}}, "loss_weight: expected 0 or more, got -1"),
        ({"tags": {"label_smoothing": 2.0}}, "label_smoothing"),
    ],
)
def test_wrong_heads(heads, message):
    vocab = Vocabulary.from_instances(instances())
    with pytest.raises(ConfigurationError, match=message):
        make_tagger(vocab, heads)


def test_new_labels_are_refused():
    vocab = Vocabulary.from_instances(instances())
    tagger = make_tagger(vocab)
    vocab.add_token_to_namespace("NNP", "xpos_tags")
    with pytest.raises(ConfigurationError, match="'xpos_tags'.*new are 'NNP'"):
        tagger.extend_embedder_vocab()


@pytest.mark.parametrize(
    "method", ["loss", "probabilities", "measure", "labels", "confidences", "gold_names"]
)
def test_what_a_head_must_write(method):
    head = TaggingHead("tags", Vocabulary())
    with pytest.raises(NotImplementedError, match=f"TaggingHead has no {method}"):
        getattr(head, method)(
            *[torch.zeros(())]
            * {"loss": 3, "measure": 3, "probabilities": 1, "confidences": 1}.get(method, 2)
        )
    with pytest.raises(NotImplementedError, match="has no forward"):
        head(torch.zeros(1))
    with pytest.raises(NotImplementedError, match="has no get_metrics"):
        head.get_metrics()


def test_confidences():
    vocab = Vocabulary.from_instances(instances())
    tagger = make_tagger(vocab, confidences=True, confidence_threshold=0.99).eval()
    output = tagger(**batch_of(instances(), vocab))
    found = tagger.make_output_human_readable(output)
    probabilities = output["_probabilities"]
    assert found["confidences"][1] == pytest.approx(probabilities["tags"].amax(-1)[1, :2].tolist())
    start, expected = 0, torch.ones(2)
    for known in tagger.heads["feats"].values.values():
        expected = expected * probabilities["feats"][1, :2, start : start + len(known)].amax(-1)
        start += len(known)
    assert found["feats_confidences"][1] == pytest.approx(expected.tolist())
    assert found["uncertain"] == found["xpos_tags_uncertain"] == [[0, 1, 2, 3], [0, 1]]
    tagger.confidences = False
    assert "confidences" not in tagger.make_output_human_readable(tagger(**batch_of(instances(), vocab)))


def test_unknown_labels_add_no_loss():
    reader = ConlluDatasetReader(unknown_tag="?")
    made = [reader.text_to_instance(["a", "b"], tags) for tags in (["X", "Y"], ["X", "?"])]
    for instance in made:
        reader.apply_token_indexers(instance)
    vocab = Vocabulary.from_instances(made)
    tagger = make_tagger(vocab, {"tags": {}}).eval()
    fields = batch_of(made[1:], vocab)
    output = tagger(**fields)
    wanted = -output["_probabilities"]["tags"][0, 0, vocab.get_token_index("X", "labels")].log()
    torch.testing.assert_close(output["loss"], wanted / 2)
