import json
import os

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics_log import (
    memory_metrics,
    metrics_without_epoch,
    repeatable_metrics,
    write_metrics_of_epoch,
)


def test_memory_is_in_mebibytes():
    (name, size), *others = memory_metrics().items()
    assert name == "worker_0_memory_MB"
    assert 10 < size < 1_000_000
    assert all(other.startswith("gpu_") for other, _ in others)


def test_peaks_are_the_largest_so_far(make_trainer, monkeypatch):
    sizes = iter([3.0, 5.0, 4.0])
    monkeypatch.setattr("nlpreg.training.loop.memory_metrics", lambda: {"worker_0_memory_MB": next(sizes)})
    metrics = make_trainer({"num_epochs": 3}).train()
    assert metrics["training_worker_0_memory_MB"] == 4.0
    assert metrics["peak_worker_0_memory_MB"] == 5.0


def test_what_is_logged_can_be_repeated():
    metrics = {
        "best_epoch": 1,
        "epoch": 2,
        "peak_worker_0_memory_MB": 3.0,
        "training_duration": "0:00:01",
        "training_loss": 1.0,
        "training_worker_0_memory_MB": 2.0,
        "validation_acc": 0.5,
        "best_validation_acc": 0.75,
    }
    assert list(repeatable_metrics(metrics)) == [
        "best_epoch",
        "training_loss",
        "validation_acc",
        "best_validation_acc",
    ]


def test_a_run_without_epochs(make_trainer):
    trainer = make_trainer({"num_epochs": 0})
    assert trainer.train() == {"best_epoch": None}
    trainer._metric_tracker.best_epoch = 3
    trainer._metric_tracker.best_epoch_metrics = {"loss": 0.5}
    assert metrics_without_epoch(trainer.run.tracker) == {"best_epoch": 3, "best_validation_loss": 0.5}


def test_a_folder_that_is_gone(tmp_path):
    with pytest.raises(ConfigurationError, match=r"metrics_epoch_3.json: cannot be written"):
        write_metrics_of_epoch(os.path.join(tmp_path, "gone"), {"epoch": 3})


def test_files_of_epochs_are_repaired_and_only_the_latest_kept(make_trainer, tmp_path, caplog):
    config = {"num_epochs": 4, "keep_metrics_of_epochs": 2}
    make_trainer(config).train()
    folder = tmp_path / "run"

    def files():
        return {path.name: path.read_text() for path in folder.glob("metrics_epoch_*")}

    whole = files()
    assert whole.keys() == {"metrics_epoch_2.json", "metrics_epoch_3.json"}
    (folder / "metrics_epoch_2.json").write_text(
        whole["metrics_epoch_2.json"].replace('"epoch": 2', '"epoch": 7')
    )
    (folder / "metrics_epoch_3.json").unlink()
    (folder / "metrics_epoch_0.json").write_text("half")  # which a kill kept from being deleted
    make_trainer(config).train()
    assert files() == whole
    assert caplog.text.count("is damaged or missing; it is written again") == 2
    make_trainer({**config, "num_epochs": 5, "keep_metrics_of_epochs": 0}).train()
    assert files() == {}


def test_metrics_that_are_not_finite_are_strings(tmp_path):
    metrics = {"epoch": 0, "a": float("inf"), "b": [float("nan"), 1.5], "c": {"d": -float("inf")}}
    write_metrics_of_epoch(str(tmp_path), metrics)
    text = (tmp_path / "metrics_epoch_0.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "epoch": 0,
        "a": "Infinity",
        "b": ["NaN", 1.5],
        "c": {"d": "-Infinity"},
    }
