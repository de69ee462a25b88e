"""The pretrained part of ELMo, against the same written in numpy in the conventions of the file."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.elmo import _ElmoBiLm, _ElmoCharacterEncoder, batch_to_ids

SENTENCES = [["the", "naïve", "cat", "the"], ["日本"], ["cat", "the"]]


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
    output = encoder(batch_to_ids(SENTENCES))
    assert output["mask"].sum(1).tolist() == [6, 3, 4]
    assert encoder.get_output_dim() == 6
    for row, sentence in enumerate(SENTENCES):
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
    output = model(batch_to_ids(SENTENCES))
    layers = output["activations"]
    assert len(layers) == model.num_layers == 3
    assert model.get_output_dim() == 12
    for row, sentence in enumerate(SENTENCES):
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
    for row, sentence in enumerate(SENTENCES):
        ids[row, : len(sentence)] = torch.tensor([vocabulary.index(word) for word in sentence])
    from_characters = model(batch_to_ids(SENTENCES))
    model._elmo_lstm.reset_states()
    calls = []
    model._token_embedder.register_forward_hook(lambda *_: calls.append(1))
    from_words = model(batch_to_ids(SENTENCES), ids)
    assert not calls
    assert torch.equal(from_words["mask"], from_characters["mask"])
    for one, other in zip(from_words["activations"], from_characters["activations"], strict=True):
        torch.testing.assert_close(one, other)
    assert model.state_dict()["_word_embedding.weight"].shape == (6, 6)
    ids[0, 0] = 6
    model(batch_to_ids(SENTENCES), ids)
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
