import pytest
import torch
from torch.nn.functional import one_hot

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.data.batch import Batch
from nlpreg.data.dataset_readers import DatasetReader
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.model import Model
from nlpreg.models.simple_tagger import SimpleTagger
from nlpreg.training.metrics import load_metrics_state_dict, metrics_state_dict


def make_tagger(vocab, encoder_input=5, **arguments):
    torch.manual_seed(0)
    config = {
        "type": "simple_tagger",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 5}}},
        "encoder": {"type": "lstm", "input_size": encoder_input, "hidden_size": 3, "bidirectional": True},
        **arguments,
    }
    return Model.from_params(Params(config), vocab=vocab)


def test_loss_is_the_mean_over_sentences_of_the_mean_over_words(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab)
    output = tagger(tokens, tags)
    log_probabilities = output["logits"].log_softmax(-1)
    by_sentence = [
        -sum(log_probabilities[row, position, tags[row, position]] for position in range(length)) / length
        for row, length in enumerate([4, 2, 1])
    ]
    torch.testing.assert_close(output["loss"], sum(by_sentence) / 3)
    torch.testing.assert_close(output["class_probabilities"], output["logits"].softmax(-1))
    assert set(output) == {"logits", "class_probabilities", "loss", "batch_weight", "_mask"}
    assert output["batch_weight"] == 3


def test_names_of_the_weights(tag_vocab):
    names = set(make_tagger(tag_vocab).state_dict())
    assert {
        "text_field_embedder.token_embedder_tokens.weight",
        "encoder._module.weight_ih_l0_reverse",
    } < names
    assert {name for name in names if not name.startswith(("text_field_embedder.", "encoder."))} == {
        "tag_projection_layer._module.weight",
        "tag_projection_layer._module.bias",
    }


def test_without_gold_tags(tag_vocab, tokens):
    output = make_tagger(tag_vocab)(tokens, metadata=[{"words": ["a"] * n} for n in (4, 2, 1)])
    assert set(output) == {"logits", "class_probabilities", "words", "_mask"}
    assert output["words"][1] == ["a", "a"]


def test_tags_as_strings(tag_vocab, tokens):
    tagger = make_tagger(tag_vocab)
    output = tagger.make_output_human_readable(tagger(tokens))
    best = output["logits"].argmax(-1)
    for row, length in enumerate([4, 2, 1]):
        ids = [tag_vocab.get_token_index(name, "labels") for name in output["tags"][row]]
        assert ids == best[row, :length].tolist()


def test_metrics(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab)
    output = tagger(tokens, tags)
    mask = tokens["tokens"]["tokens"] > 0
    right = output["logits"].argmax(-1) == tags
    among_three = (output["logits"].topk(3).indices == tags.unsqueeze(-1)).any(-1)
    assert tagger.get_metrics(reset=True) == {
        "accuracy": pytest.approx(right[mask].double().mean().item()),
        "accuracy3": pytest.approx(among_three[mask].double().mean().item()),
    }
    assert tagger.get_metrics() == {"accuracy": 0.0, "accuracy3": 0.0}


@pytest.mark.parametrize("verbose", [False, True])
def test_span_metrics(tag_vocab, tokens, tags, verbose):
    tagger = make_tagger(tag_vocab, label_encoding="BIO", verbose_metrics=verbose)
    tagger(tokens, tags)
    names = set(tagger.get_metrics())
    overall = {"accuracy", "accuracy3", "precision-overall", "recall-overall", "f1-measure-overall"}
    assert names == overall | (
        {f"{kind}-{label}" for kind in ("precision", "recall", "f1-measure") for label in ("PER", "LOC")}
        if verbose
        else set()
    )


def test_metrics_of_each_tag(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab, verbose_metrics=True)
    found = tagger(tokens, tags)["logits"].argmax(-1)
    metrics = tagger.get_metrics(reset=True)
    mask = tokens["tokens"]["tokens"] > 0
    for index, name in tag_vocab.get_index_to_token_vocabulary("labels").items():
        right = ((found == index) & (tags == index) & mask).sum().item()
        num_found, num_gold = ((values == index) & mask for values in (found, tags))
        precision = right / max(num_found.sum().item(), 1)
        recall = right / max(num_gold.sum().item(), 1)
        assert metrics[f"{name}-precision"] == pytest.approx(precision)
        assert metrics[f"{name}-recall"] == pytest.approx(recall)
        both = precision + recall
        assert metrics[f"{name}-fscore"] == pytest.approx(2 * precision * recall / both if both else 0.0)


def test_encoding_without_span_metrics(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab, label_encoding="BIO", calculate_span_f1=False)
    tagger(tokens, tags)
    assert set(tagger.get_metrics()) == {"accuracy", "accuracy3"}


def test_outside_tags_may_be_left_out_of_the_loss(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab)
    output = tagger(tokens, tags, ignore_loss_on_o_tags=True)
    log_probabilities = output["logits"].log_softmax(-1)
    first = -(log_probabilities[0, 0, 1] + log_probabilities[0, 1, 2] + log_probabilities[0, 3, 3]) / 3
    expected = (first - log_probabilities[1, 1, 1] - log_probabilities[2, 0, 3]) / 3
    torch.testing.assert_close(output["loss"], expected)


def test_padding_changes_nothing(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab)
    wide = {"tokens": {"tokens": torch.nn.functional.pad(tokens["tokens"]["tokens"], (0, 3))}}
    first, second = tagger(tokens, tags), tagger(wide, torch.nn.functional.pad(tags, (0, 3)))
    torch.testing.assert_close(first["loss"], second["loss"])


def test_metrics_go_on_in_another_model(tag_vocab, tokens, tags):
    first, second = (make_tagger(tag_vocab, label_encoding="BIO") for _ in range(2))
    first(tokens, tags)
    load_metrics_state_dict(second, metrics_state_dict(first))
    for tagger in (first, second):
        tagger(tokens, tags.flip(0))
    assert first.get_metrics() == second.get_metrics()


def test_bad_configs(tag_vocab):
    with pytest.raises(ConfigurationError, match="output of text_field_embedder has width 5"):
        make_tagger(tag_vocab, encoder_input=6)
    with pytest.raises(ConfigurationError, match="calculate_span_f1 needs model.label_encoding"):
        make_tagger(tag_vocab, calculate_span_f1=True)
    with pytest.raises(ConfigurationError, match="label_encoding"):
        make_tagger(tag_vocab, label_encoding="IOB")


@pytest.mark.parametrize("characters", [False, True])
def test_it_learns_the_sentences_of_the_tutorial(tmp_path, characters):
    (tmp_path / "train.txt").write_text(
        "The###DET dog###NN ate###V the###DET apple###NN\nEverybody###NN read###V that###DET book###NN\n"
    )
    indexers = {"tokens": {"type": "single_id"}}
    embedders = {"tokens": {"type": "embedding", "embedding_dim": 6}}
    if characters:
        indexers["token_characters"] = {"type": "characters", "min_padding_length": 3}
        embedders["token_characters"] = {
            "type": "character_encoding",
            "embedding": {"embedding_dim": 4, "vocab_namespace": "token_characters"},
            "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 3},
        }
    reader = DatasetReader.from_params(
        Params({"type": "sequence_tagging", "token_delimiter": " ", "token_indexers": indexers})
    )
    instances = list(reader.read(str(tmp_path / "train.txt")))
    vocab = Vocabulary.from_instances(instances)
    torch.manual_seed(1)
    width = 9 if characters else 6
    tagger = SimpleTagger.from_params(
        Params(
            {
                "text_field_embedder": {"token_embedders": embedders},
                "encoder": {"type": "lstm", "input_size": width, "hidden_size": 6},
            }
        ),
        vocab=vocab,
    )
    batch = Batch(instances)
    batch.index_instances(vocab)
    tensors = batch.as_tensor_dict()
    optimizer = torch.optim.SGD(tagger.parameters(), lr=1.0)
    for _ in range(150):
        optimizer.zero_grad()
        tagger(**tensors)["loss"].backward()
        optimizer.step()
    outputs = tagger.eval().forward_on_instances(instances)
    assert outputs[0]["tags"] == ["DET", "NN", "V", "DET", "NN"]
    assert outputs[1]["tags"][:4] == ["NN", "V", "DET", "NN"]
    assert outputs[1]["words"] == ["Everybody", "read", "that", "book"]


@pytest.mark.parametrize("encoding", ["BIO", "BIOUL"])
def test_confidence_of_a_span_is_a_product(tokens, encoding):
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(["the", "dog", "ate", "apple", "everybody", "read", "that", "book"])
    names = {"BIO": ["O", "B-X", "I-X"], "BIOUL": ["O", "B-X", "I-X", "L-X", "U-X"]}[encoding]
    vocab.add_tokens_to_namespace(names, "labels")
    tagger = make_tagger(vocab, label_encoding=encoding, confidences=True).eval()
    spans = {
        "BIO": (["B-X", "I-X", "O", "I-X"], [("X", 0, 1), ("X", 3, 3)]),
        "BIOUL": (["B-X", "L-X", "U-X", "I-X"], [("X", 0, 1), ("X", 2, 2)]),
    }
    tags, expected = spans[encoding]
    output = tagger(tokens)
    wanted = torch.tensor([[names.index(tag) for tag in tags]] * 3)
    output["class_probabilities"] = 0.5 * output["class_probabilities"] + 0.5 * one_hot(wanted, len(names))
    p = output["class_probabilities"][0].double()
    found = tagger.make_output_human_readable(output)
    assert found["tags"][0] == tags
    assert [(span["label"], span["start"], span["end"]) for span in found["spans"][0]] == expected
    first, second = (span["confidence"] for span in found["spans"][0])
    if encoding == "BIO":
        inside, begin = names.index("I-X"), names.index("B-X")
        # the first word may have B or I; the last one I if it does not continue a span, or B
        starts = p[0, begin] + p[0, inside]
        assert first == pytest.approx((starts * p[1, inside] * (1 - p[2, inside])).item())
        continues = p[2, inside] + p[2, begin]
        assert second == pytest.approx((p[3, begin] + p[3, inside] * (1 - continues)).item())
    else:
        assert first == pytest.approx((p[0, 1] * p[1, 3]).item())
        assert second == pytest.approx(p[2, 4].item())
    assert found["confidences"][0] == pytest.approx(p.max(-1).values.tolist())
    assert [len(row) for row in found["confidences"]] == [4, 2, 1]


def test_unknown_tags_are_left_out(tag_vocab, tokens, tags):
    tagger = make_tagger(tag_vocab)
    partly = tags.clone()
    partly[0, 1], partly[2, 0] = -1, -1
    output = tagger(tokens, partly)
    log_probabilities = output["logits"].log_softmax(-1)
    by_sentence = [
        -sum(log_probabilities[row, t, tags[row, t]] for t in places) / len(places)
        for row, places in ((0, (0, 2, 3)), (1, (0, 1)))
    ]
    torch.testing.assert_close(output["loss"], sum(by_sentence) / 2)
    assert output["batch_weight"] == 2
    right = output["logits"].argmax(-1) == tags
    known = torch.tensor([[1, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]]).bool()
    assert tagger.get_metrics()["accuracy"] == pytest.approx(right[known].double().mean().item())
