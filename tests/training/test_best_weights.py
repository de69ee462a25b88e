import os

import pytest
import torch

from nlpreg.training.losses import NonFiniteLossError
from nlpreg.training.run import link_file


def test_the_best_weights_are_another_name_of_the_checkpoint(make_trainer, tmp_path):
    make_trainer({"num_epochs": 1}).train()
    folder = tmp_path / "run"
    assert os.path.samefile(folder / "best.th", folder / "model_state_e1_b0.th")
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_link_replaces_in_one_step(tmp_path):
    (tmp_path / "new").write_text("new")
    (tmp_path / "best.th").write_text("old")
    assert link_file(str(tmp_path / "new"), str(tmp_path / "best.th"))
    assert (tmp_path / "best.th").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["best.th", "new"]


def test_without_links_the_weights_are_written_again(make_trainer, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    trainer = make_trainer({"num_epochs": 1})
    trainer.train()
    folder = tmp_path / "run"
    assert not os.path.samefile(folder / "best.th", folder / "model_state_e1_b0.th")
    best = torch.load(folder / "best.th", weights_only=True)
    assert all(torch.equal(best[name], value) for name, value in trainer.model.state_dict().items())


def test_weights_that_are_not_finite_are_not_the_best(make_trainer, tiny_model, tmp_path):
    model = tiny_model()
    model.unused = torch.nn.Parameter(torch.tensor(float("nan")))
    with pytest.raises(NonFiniteLossError, match="weights unused are NaN or infinite"):
        make_trainer({"checkpointer": None}, model).train()
    assert not (tmp_path / "run" / "best.th").exists()
