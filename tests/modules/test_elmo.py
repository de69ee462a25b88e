"""Mixes of a model's layers."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.modules import Elmo
from nlpreg.modules.elmo import _ElmoBiLm, _ElmoCharacterEncoder, batch_to_ids

SENTENCES = [["the", "cat"], ["日本"]]


class Layers(nn.Module):
    """Stands for a pretrained model: two layers that count positions, boundaries included."""

    num_layers = 2

    def get_output_dim(self):
        return 2

    def forward(self, inputs, word_inputs=None):
        lengths = (inputs > 0).any(-1).sum(1) + 2
        steps = torch.arange(inputs.size(1) + 2)
        mask = steps < lengths.unsqueeze(1)
        positions = steps.float().expand(mask.shape).unsqueeze(2).expand(-1, -1, 2)
        return {"activations": [positions, 10 * positions], "mask": mask}


def test_ids_of_characters():
    ids = batch_to_ids([["ab", "日"], ["x" * 60]])
    assert ids.shape == (2, 2, 50) and ids.dtype == torch.long
    assert ids[0, 0].tolist() == [259, 98, 99, 260] + [261] * 46
    assert ids[0, 1].tolist() == [259, *(byte + 1 for byte in "日".encode()), 260] + [261] * 45
    assert ids[1, 0].tolist() == [259] + [121] * 48 + [260]
    assert not ids[1, 1].any()


def test_boundaries_are_removed_and_mixes_are_means_at_first():
    elmo = Elmo(None, None, 2, dropout=0.0, module=Layers())
    output = elmo(batch_to_ids(SENTENCES))
    assert output["mask"].tolist() == [[True, True], [True, False]]
    assert len(output["elmo_representations"]) == 2
    for mixed in output["elmo_representations"]:
        assert mixed[0, :, 0].tolist() == [5.5, 11.0]
        assert mixed[1, :, 0].tolist() == [5.5, 0.0]
    assert elmo.get_output_dim() == 2
    assert set(elmo.state_dict()) == {
        f"scalar_mix_{mix}.{name}"
        for mix in (0, 1)
        for name in ("gamma", "scalar_parameters.0", "scalar_parameters.1")
    }


def test_boundaries_are_kept_on_demand():
    elmo = Elmo(None, None, 1, dropout=0.0, keep_sentence_boundaries=True, module=Layers())
    output = elmo(batch_to_ids(SENTENCES))
    assert output["mask"].sum(1).tolist() == [4, 3]
    assert output["elmo_representations"][0][0, :, 0].tolist() == [0, 5.5, 11, 16.5]


@pytest.mark.parametrize("keep", [False, True])
def test_text_fields_in_lists(keep):
    elmo = Elmo(None, None, 1, dropout=0.0, keep_sentence_boundaries=keep, module=Layers())
    ids = batch_to_ids([["a", "b"], ["c"], ["d"], ["e", "f"]])
    flat, nested = elmo(ids), elmo(ids.view(2, 2, 2, 50))
    assert torch.equal(nested["mask"].flatten(0, 1), flat["mask"])
    found, expected = nested["elmo_representations"][0], flat["elmo_representations"][0]
    assert found.shape[:2] == (2, 2) and torch.equal(found.flatten(0, 1), expected)


def test_given_mixes_are_not_trained():
    elmo = Elmo(None, None, 1, dropout=0.0, scalar_mix_parameters=[100.0, 0.0], module=Layers())
    assert elmo(batch_to_ids(SENTENCES))["elmo_representations"][0][0, :, 0].tolist() == [1, 2]
    assert not any(parameter.requires_grad for parameter in elmo.parameters())


def test_dropout_in_training_only():
    elmo = Elmo(None, None, 1, dropout=0.5, module=Layers())
    ids = batch_to_ids([["a"] * 500])
    assert 0.3 < (elmo(ids)["elmo_representations"][0] == 0).float().mean() < 0.7
    assert (elmo.eval()(ids)["elmo_representations"][0] != 0).all()


def test_ids_of_words_without_a_cache(caplog):
    elmo = Elmo(None, None, 1, module=Layers())
    with caplog.at_level(logging.WARNING):
        elmo(batch_to_ids(SENTENCES), torch.ones(2, 2, dtype=torch.long))
    assert "no vocab_to_cache" in caplog.text


def test_either_files_or_a_module():
    with pytest.raises(ConfigurationError, match="files or a module, got both"):
        Elmo("options.json", None, 1, module=Layers())
    with pytest.raises(ConfigurationError, match="got neither"):
        Elmo(None, None, 1)


def test_from_files_in_a_config(elmo_files):
    elmo = Elmo.from_params(
        Params(
            {
                "options_file": elmo_files.options,
                "weight_file": elmo_files.weights,
                "num_output_representations": 1,
            }
        )
    ).eval()
    output = elmo(batch_to_ids(SENTENCES))
    assert output["elmo_representations"][0].shape == (2, 2, elmo.get_output_dim()) == (2, 2, 12)
    elmo._elmo_lstm._elmo_lstm.reset_states()
    layers = elmo._elmo_lstm(batch_to_ids(SENTENCES))["activations"]
    torch.testing.assert_close(output["elmo_representations"][0][0], torch.stack(layers).mean(0)[0, 1:3])


THREE_SENTENCES = [["the", "naïve", "cat", "the"], ["日本"], ["cat", "the"]]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def word_vector(arrays, word):
    """One word, from its bytes."""
    middle = {"<S>": [256], "</S>": [257]}.get(word) or list(word.encode()[:48])
    ids = [258, *middle, 259]
    ids += [260] * (50 - len(ids))
    characters = arrays["char_embed"][ids]
    responses = []
    for index in range(2):
        kernel, bias = arrays[f"CNN/W_cnn_{index}"][0], arrays[f"CNN/b_cnn_{index}"]
        width = len(kernel)
        windows = np.stack([characters[start : start + width] for start in range(50 - width + 1)])
        responses.append(np.maximum((np.einsum("nwd,wdf->nf", windows, kernel) + bias).max(0), 0))
    vector = np.concatenate(responses)
    high = {
        name: arrays[f"CNN_high_0/{name}"] for name in ("W_transform", "b_transform", "W_carry", "b_carry")
    }
    carry = sigmoid(vector @ high["W_carry"] + high["b_carry"])
    vector = carry * np.maximum(vector @ high["W_transform"] + high["b_transform"], 0) + (1 - carry) * vector
    return vector @ arrays["CNN_proj/W_proj"] + arrays["CNN_proj/b_proj"]


def run_direction(arrays, vectors, direction):
    """Both layers over one sentence; their outputs in the order of the words."""
    steps = vectors if direction == 0 else vectors[::-1]
    layers = []
    for layer in range(2):
        cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
        h, c, outputs = np.zeros(6), np.zeros(7), []
        for x in steps:
            gates = np.concatenate([x, h]) @ arrays[f"{cell}/W_0"] + arrays[f"{cell}/B"]
            new_in, candidate, forget, out = np.split(gates, 4)
            c = np.clip(sigmoid(forget + 1) * c + sigmoid(new_in) * np.tanh(candidate), -0.4, 0.4)
            h = np.clip((sigmoid(out) * np.tanh(c)) @ arrays[f"{cell}/W_P_0"], -0.4, 0.4)
            outputs.append(h)
        steps = np.stack(outputs) + (steps if layer > 0 else 0)
        layers.append(steps if direction == 0 else steps[::-1])
    return layers


def test_words_from_their_characters(elmo_files):
    encoder = _ElmoCharacterEncoder(elmo_files.options, elmo_files.weights)
    output = encoder(batch_to_ids(THREE_SENTENCES))
    assert output["mask"].sum(1).tolist() == [6, 3, 4]
    assert encoder.get_output_dim() == 6
    for row, sentence in enumerate(THREE_SENTENCES):
        for position, word in enumerate(["<S>", *sentence, "</S>"]):
            expected = torch.from_numpy(word_vector(elmo_files.arrays, word)).float()
            torch.testing.assert_close(
                output["token_embedding"][row, position], expected, atol=1e-5, rtol=1e-4
            )
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert _ElmoCharacterEncoder(
        elmo_files.options, elmo_files.weights, True
    )._projection.weight.requires_grad


def test_layers_of_both_directions(elmo_files):
    model = _ElmoBiLm(elmo_files.options, elmo_files.weights)
    output = model(batch_to_ids(THREE_SENTENCES))
    layers = output["activations"]
    assert len(layers) == model.num_layers == 3
    assert model.get_output_dim() == 12
    for row, sentence in enumerate(THREE_SENTENCES):
        vectors = np.stack([word_vector(elmo_files.arrays, word) for word in ["<S>", *sentence, "</S>"]])
        ahead, back = (run_direction(elmo_files.arrays, vectors, direction) for direction in (0, 1))
        expected = [np.concatenate([vectors, vectors], 1)]
        expected += [np.concatenate(pair, 1) for pair in zip(ahead, back, strict=True)]
        for layer, values in zip(layers, expected, strict=True):
            found = layer[row, : len(vectors)]
            torch.testing.assert_close(found, torch.from_numpy(values).float(), atol=1e-5, rtol=1e-4)
            assert not layer[row, len(vectors) :].any()


def test_cached_words_give_the_same(elmo_files):
    vocabulary = ["@@PADDING@@", "@@UNKNOWN@@", "the", "naïve", "cat", "日本"]
    model = _ElmoBiLm(elmo_files.options, elmo_files.weights, vocab_to_cache=vocabulary)
    ids = torch.zeros(3, 4, dtype=torch.long)
    for row, sentence in enumerate(THREE_SENTENCES):
        ids[row, : len(sentence)] = torch.tensor([vocabulary.index(word) for word in sentence])
    from_characters = model(batch_to_ids(THREE_SENTENCES))
    model._elmo_lstm.reset_states()
    calls = []
    model._token_embedder.register_forward_hook(lambda *_: calls.append(1))
    from_words = model(batch_to_ids(THREE_SENTENCES), ids)
    assert not calls
    assert torch.equal(from_words["mask"], from_characters["mask"])
    for one, other in zip(from_words["activations"], from_characters["activations"], strict=True):
        torch.testing.assert_close(one, other)
    assert model.state_dict()["_word_embedding.weight"].shape == (6, 6)
    ids[0, 0] = 6
    model(batch_to_ids(THREE_SENTENCES), ids)
    assert calls


def test_names_of_the_weights(elmo_files):
    names = set(_ElmoBiLm(elmo_files.options, elmo_files.weights).state_dict())
    lstm = {
        f"_elmo_lstm.{direction}_layer_{layer}.{name}"
        for direction in ("forward", "backward")
        for layer in (0, 1)
        for name in (
            "input_linearity.weight", "state_linearity.weight", "state_linearity.bias", "state_projection.weight",
        )
    }  # fmt: skip
    embedder = {
        f"_token_embedder.{name}"
        for name in (
            "_char_embedding_weights", "char_conv_0.weight", "char_conv_0.bias", "char_conv_1.weight",
            "char_conv_1.bias", "_highways._layers.0.weight", "_highways._layers.0.bias", "_projection.weight",
            "_projection.bias",
        )
    }  # fmt: skip
    assert names == lstm | embedder


def changed(elmo_files, tmp_path, **sections):
    options = json.loads(Path(elmo_files.options).read_text(encoding="utf-8"))
    for name, values in sections.items():
        options[name].update(values)
    (tmp_path / "options.json").write_text(json.dumps(options), encoding="utf-8")
    return str(tmp_path / "options.json")


@pytest.mark.parametrize(
    ("sections", "error", "message"),
    [
        ({"lstm": {"use_skip_connections": False}}, ConfigurationError, "use_skip_connections"),
        ({"lstm": {"n_layers": 3}}, ConfigurationError, "expected 3 layers, got 2"),
        ({"lstm": {"dim": 8}}, ConfigurationError, "W_0 and W_P_0"),
        ({"char_cnn": {"activation": "gelu"}}, ConfigurationError, "'gelu'"),
        ({"char_cnn": {"filters": [[2, 3], [2, 5]]}}, ValueError, "W_cnn_0"),
    ],
)
def test_options_that_do_not_fit_the_weights(elmo_files, tmp_path, sections, error, message):
    with pytest.raises(error, match=message):
        _ElmoBiLm(changed(elmo_files, tmp_path, **sections), elmo_files.weights)
