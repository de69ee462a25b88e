import pytest
import torch
from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.biattentive_classification_network import BiattentiveClassificationNetwork
from nlpreg.models.model import Model
from nlpreg.modules.elmo import Elmo

CONFIG = {
    "type": "bcn",
    "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
    "embedding_dropout": 0.0,
    "pre_encode_feedforward": {"input_dim": 4, "num_layers": 1, "hidden_dims": 5, "activations": "relu"},
    "encoder": {"type": "lstm", "input_size": 5, "hidden_size": 3},
    "integrator": {"type": "lstm", "input_size": 9, "hidden_size": 2, "bidirectional": True},
    "integrator_dropout": 0.0,
    "output_layer": {"input_dim": 16, "num_layers": 1, "output_dims": 3, "pool_sizes": 2},
}


class SmallBiLm(nn.Module):
    """Stands for the pretrained model inside of ELMo: two layers that show the characters."""

    num_layers = 2

    def get_output_dim(self):
        return 6

    def forward(self, inputs, word_inputs=None):
        batch_size = inputs.size(0)
        mask = nn.functional.pad((inputs > 0).any(-1), (1, 1))
        mask[:, 0] = True
        mask[torch.arange(batch_size), mask.sum(1)] = True
        layer = nn.functional.pad(inputs[..., :6].float(), (0, 0, 1, 1)) * mask.unsqueeze(-1) / 100
        return {"activations": [layer, layer * 2], "mask": mask}


@pytest.fixture
def vocab(tag_vocab):
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(list(tag_vocab.get_token_to_index_vocabulary("tokens"))[2:])
    vocab.add_tokens_to_namespace(["bad", "fair", "good"], "labels")
    return vocab


def make_model(vocab, **changes):
    torch.manual_seed(0)
    return Model.from_params(Params({**CONFIG, **changes}), vocab=vocab)


def test_against_an_independent_computation(vocab, tokens):
    model = make_model(vocab)
    label = torch.tensor([2, 0, 1])
    output = model(tokens, label)
    for row, length in enumerate([4, 2, 1]):
        ids = tokens["tokens"]["tokens"][row : row + 1, :length]
        mask = torch.ones_like(ids, dtype=torch.bool)
        embedded = model._text_field_embedder({"tokens": {"tokens": ids}})
        encoded = model._encoder(model._pre_encode_feedforward(embedded), mask)[0]
        attended = (encoded @ encoded.t()).softmax(-1) @ encoded
        joined = torch.cat([encoded, encoded - attended, encoded * attended], dim=-1)
        integrated = model._integrator(joined.unsqueeze(0), mask)[0]
        weights = model._self_attentive_pooling_projection(integrated).softmax(0)
        pooled = [integrated.amax(0), integrated.amin(0), integrated.mean(0), (weights * integrated).sum(0)]
        logits = model._output_layer(torch.cat(pooled).unsqueeze(0))[0]
        torch.testing.assert_close(output["logits"][row], logits)
    torch.testing.assert_close(output["class_probabilities"], output["logits"].softmax(-1))
    expected = -output["logits"].log_softmax(-1)[range(3), label].mean()
    torch.testing.assert_close(output["loss"], expected)
    assert set(model.get_metrics(reset=True)) == {"accuracy", "accuracy3"}
    output["loss"].backward()


def test_readable_outputs_and_names_of_the_weights(vocab, tokens):
    model = make_model(
        vocab, output_layer={"input_dim": 16, "num_layers": 1, "hidden_dims": 3, "activations": "linear"}
    )
    output = model.make_output_human_readable(model(tokens))
    assert output["label"] == [["bad", "fair", "good"][best] for best in output["logits"].argmax(-1)]
    assert {name.split(".")[0] for name in model.state_dict()} == {
        "_text_field_embedder",
        "_pre_encode_feedforward",
        "_encoder",
        "_integrator",
        "_self_attentive_pooling_projection",
        "_output_layer",
    }


def make_with_elmo(vocab, num_outputs, use_input, use_integrator):
    parts = make_model(vocab)
    config = {
        **CONFIG,
        "pre_encode_feedforward": {
            **CONFIG["pre_encode_feedforward"],
            "input_dim": 4 + 6 * use_input,
        },
        "output_layer": {**CONFIG["output_layer"], "input_dim": 16 + 24 * use_integrator},
    }
    del parts
    config.pop("type")
    return BiattentiveClassificationNetwork.from_params(
        Params({**config, "use_input_elmo": use_input, "use_integrator_output_elmo": use_integrator}),
        vocab=vocab,
        elmo=Elmo(None, None, num_outputs, dropout=0.0, module=SmallBiLm()),
    )


@pytest.mark.parametrize("use_input,use_integrator", [(True, False), (False, True), (True, True)])
def test_with_elmo(vocab, tokens, use_input, use_integrator):
    model = make_with_elmo(vocab, use_input + use_integrator, use_input, use_integrator)
    characters = (tokens["tokens"]["tokens"] > 0).long().unsqueeze(-1) * torch.arange(1, 51)
    source = {**tokens, "elmo": {"elmo_tokens": characters}}
    output = model(source, torch.tensor([0, 1, 2]))
    assert output["logits"].shape == (3, 3)
    assert set(source) == {"tokens", "elmo"}
    with pytest.raises(ConfigurationError, match="needs characters under the key `elmo`"):
        model(tokens)


def test_bad_elmo(vocab):
    with pytest.raises(ConfigurationError, match="needs use_input_elmo or use_integrator_output_elmo"):
        make_with_elmo(vocab, 1, False, False)
    with pytest.raises(ConfigurationError, match="expected 2, one for each use of ELMo, got 1"):
        make_with_elmo(vocab, 1, True, True)
    with pytest.raises(ConfigurationError, match="need model.elmo, got none"):
        make_model(vocab, use_input_elmo=True)
    embedder = {"token_embedders": {"elmo": {"type": "embedding", "embedding_dim": 4}}}
    with pytest.raises(ConfigurationError, match="expected no embedder under `elmo`"):
        make_model(vocab, text_field_embedder=embedder)


@pytest.mark.parametrize(
    "part,change,message",
    [
        ("pre_encode_feedforward", {"input_dim": 9}, "the input of pre_encode_feedforward has width 9"),
        ("encoder", {"input_size": 9}, "the input of encoder has width 9"),
        (
            "integrator",
            {"input_size": 8},
            "three times encoder has width 9, the input of integrator has width 8",
        ),
        ("output_layer", {"input_dim": 15}, "four pools of integrator has width 16"),
        (
            "output_layer",
            {"output_dims": 4},
            "output_layer has width 4, the input of the softmax over labels",
        ),
    ],
)
def test_widths_have_to_fit(vocab, part, change, message):
    with pytest.raises(ConfigurationError, match=message):
        make_model(vocab, **{part: {**CONFIG[part], **change}})
