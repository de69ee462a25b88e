import pytest
import torch

from nlpreg.common.params import Params
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.model import Model


def make_classifier(vocab, **arguments):
    torch.manual_seed(0)
    config = {
        "type": "basic_classifier",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 5}}},
        "seq2vec_encoder": {"type": "boe", "embedding_dim": 5, "averaged": True},
        **arguments,
    }
    return Model.from_params(Params(config), vocab=vocab)


@pytest.fixture
def vocab(tag_vocab):
    tag_vocab.add_tokens_to_namespace(["bad", "good", "großartig"], "text_labels")
    return tag_vocab


def test_against_an_independent_computation(vocab, tokens):
    classifier = make_classifier(vocab, label_namespace="text_labels")
    label = torch.tensor([2, 0, 1])
    output = classifier(tokens, label)
    weight = classifier._text_field_embedder.token_embedder_tokens.weight
    rows = [[word for word in row if word] for row in tokens["tokens"]["tokens"].tolist()]
    vectors = torch.stack([weight[row].mean(0) for row in rows])
    logits = classifier._classification_layer(vectors)
    torch.testing.assert_close(output["logits"], logits)
    torch.testing.assert_close(output["probs"], logits.softmax(-1))
    torch.testing.assert_close(output["loss"], -logits.log_softmax(-1)[range(3), label].mean())
    assert output["token_ids"] is tokens["tokens"]["tokens"]
    accuracy = (logits.argmax(-1) == label).double().mean().item()
    assert classifier.get_metrics(reset=True) == {"accuracy": pytest.approx(accuracy)}
    assert classifier.get_metrics() == {"accuracy": 0.0}


def test_all_parts(vocab, tokens):
    classifier = make_classifier(
        vocab,
        seq2seq_encoder={"type": "lstm", "input_size": 5, "hidden_size": 4},
        seq2vec_encoder={"type": "gru", "input_size": 4, "hidden_size": 3},
        feedforward={"input_dim": 3, "num_layers": 1, "hidden_dims": 7, "activations": "relu"},
        dropout=0.3,
        num_labels=2,
    )
    output = classifier(tokens, torch.tensor([1, 0, 1]), metadata=[{}] * 3)
    assert output["logits"].shape == (3, 2)
    output["loss"].backward()
    prefixes = {name.split(".")[0] for name in classifier.state_dict()}
    assert prefixes == {
        "_text_field_embedder",
        "_seq2seq_encoder",
        "_seq2vec_encoder",
        "_feedforward",
        "_classification_layer",
    }


def test_readable_outputs(vocab, tokens):
    classifier = make_classifier(vocab, label_namespace="text_labels", num_labels=4)
    with torch.no_grad():
        classifier._classification_layer.weight.zero_()
        classifier._classification_layer.bias.copy_(torch.tensor([0.0, 0.0, 1.0, 0.0]))
    output = classifier.make_output_human_readable(classifier(tokens))
    assert output["label"] == ["großartig"] * 3
    assert output["tokens"][1] == ["everybody", "read"]
    with torch.no_grad():
        classifier._classification_layer.bias[3] = 2.0
    assert classifier.make_output_human_readable(classifier(tokens))["label"] == ["3"] * 3


def test_a_vocabulary_without_labels_needs_their_number():
    assert make_classifier(Vocabulary(), num_labels=6)._classification_layer.out_features == 6
