"""Mixes of a model's layers."""

import logging

import pytest
import torch
from torch import nn

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.modules import Elmo
from nlpreg.modules.elmo import batch_to_ids

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
