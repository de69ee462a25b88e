"""Runs whose checkpoints were saved by the version before resume and end like runs that were never interrupted.

The folders in `checkpoints_of_version_1` were made by that version: a run of 3 epochs that died in the second, and a
sharded run of 2 epochs and two processes that was asked to end after 2 updates of the second.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch

OLD = Path(__file__).parent / "checkpoints_of_version_1"

CONFIG = {
    "optimizer": {"type": "adam", "lr": 0.05},
    "learning_rate_scheduler": {"type": "slanted_triangular"},
    "moving_average": {"decay": 0.7},
    "num_gradient_accumulation_steps": 2,
    "validate_every_num_batches": 3,
    "metrics_interval": 2,
    "patience": 9,
    "num_epochs": 3,
    "checkpointer": {"save_every_num_batches": 1, "keep_most_recent_by_count": None},
}


@pytest.fixture
def noisy_model(tiny_model):
    def make():
        model = tiny_model(dropout=0.3, reports_weight=True, penalty=0.01)
        model.is_noisy = True
        return model

    return make


def test_one_process(make_trainer, noisy_model, tmp_path):
    whole = make_trainer(CONFIG, noisy_model(), folder="whole")
    expected = whole.train()
    shutil.copytree(OLD / "one_process", tmp_path / "old")
    resumed = make_trainer(CONFIG, noisy_model(), folder="old")
    torch.manual_seed(999)
    metrics = resumed.train()
    state, expected_state = (trainer.get_checkpoint_state() for trainer in (resumed, whole))
    for name, value in expected_state.model_state.items():
        torch.testing.assert_close(state.model_state[name], value)
    moments = [s.trainer_state["optimizer"]["state"][0]["exp_avg"] for s in (state, expected_state)]
    torch.testing.assert_close(*moments)
    for name in ("epoch", "best_epoch", "training_loss", "validation_loss", "best_validation_error"):
        assert metrics[name] == pytest.approx(expected[name], rel=1e-5), name
    lines = [json.loads(line) for line in (tmp_path / "old" / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps == sorted(steps)


def test_shards_are_resumed_by_one_process(make_trainer, tiny_model, tiny_loader, tmp_path, caplog):
    shutil.copytree(OLD / "two_shards", tmp_path / "old")
    model = tiny_model(dropout=0.3, reports_weight=True)
    model.scale = torch.nn.Parameter(torch.ones(1))
    loader = tiny_loader(6, sizes=(8, 4))
    trainer = make_trainer({"optimizer": {"type": "adam", "lr": 0.05}}, model, loader, folder="old")
    checkpoint = trainer.run.checkpointer.load_checkpoint()
    # each process held one part: the rows of its share of the weights
    parts = [torch.load(OLD / "two_shards" / f"model_state_e1_b2_w{rank}.th") for rank in range(2)]
    chunks = [chunk for part in parts for chunk in part["spread"].get(".linear.weight", [])]
    assert torch.equal(checkpoint.model_state["linear.weight"], torch.cat([c["tensor"] for c in chunks]))
    assert len(checkpoint.trainer_state["processes"]) == 2
    metrics = trainer.train()
    assert "was saved by 2 processes and is resumed by 1" in caplog.text
    assert metrics["epoch"] == 1
    assert loader.given == [(1, index) for index in range(6)]  # the second epoch, from its beginning
    files = {path.name for path in (tmp_path / "old").iterdir()}
    assert {"best.th", "model_state_e2_b0.th", "training_state_e2_b0.th"} <= files


@pytest.mark.parametrize("name", ["training_state_e1_b2_w1.th", "model_state_e1_b2_w0.th"])
def test_damaged_shards_are_passed_over(make_trainer, tiny_model, tmp_path, caplog, name):
    shutil.copytree(OLD / "two_shards", tmp_path / "old")
    path = tmp_path / "old" / name
    path.write_bytes(path.read_bytes()[:-100])
    trainer = make_trainer(folder="old")
    assert trainer.run.checkpointer.load_checkpoint() is None
    assert "the checkpoint is damaged" in caplog.text and name in caplog.text
