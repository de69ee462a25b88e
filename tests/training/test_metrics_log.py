import io
import json
import os
import sys

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics_log import (
    HasBeenWarned,
    MetricsLog,
    ProgressBar,
    description_from_metrics,
    get_metrics,
    get_train_and_validation_metrics,
    memory_metrics,
    metrics_without_epoch,
    repeatable_metrics,
    write_metrics_of_epoch,
)


def test_losses_stand_after_the_metrics_of_the_model(tiny_model):
    model = tiny_model()
    model.error(0.5)
    metrics = get_metrics(model, 6.0, 3.0, 1.5, 0.5, 4)
    assert list(metrics.items()) == [
        ("error", 0.5),
        ("batch_loss", 1.5),
        ("loss", 1.5),
        ("batch_reg_loss", 0.5),
        ("reg_loss", 0.75),
    ]
    assert get_metrics(model, 0.0, None, None, None, 0, reset=True) == {"error": 0.5, "loss": 0.0}
    assert get_metrics(model, 0.0, None, None, None, 0) == {"error": 0.0, "loss": 0.0}


def test_descriptions(monkeypatch, caplog):
    monkeypatch.setattr(HasBeenWarned, "tqdm_ignores_underscores", False)
    metrics = {"acc": 0.8125, "batch_loss": 0.441, "_hidden": 3.0, "loss": 0.50234}
    for _ in range(2):
        assert description_from_metrics(metrics) == "acc: 0.8125, batch_loss: 0.4410, loss: 0.5023 ||"
    assert caplog.text.count("not shown in progress bars") == 1


@pytest.mark.parametrize("name", ["duration", "start_epoch", "epochs"])
def test_training_and_validation_metrics(name):
    metrics = {
        f"training_{name}": 3,
        "training_loss": 1.0,
        "validation_loss": 2.0,
        "validation_acc": 0.5,
        "best_validation_loss": 1.5,
        "epoch": 3,
    }
    assert get_train_and_validation_metrics(metrics) == ({"loss": 1.0}, {"loss": 2.0, "acc": 0.5})


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def on_terminal(monkeypatch):
    """Makes standard error a terminal; called within the test, since pytest sets it anew before."""

    def pretend():
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return pretend


def test_metrics_are_computed_when_they_are_shown(on_terminal, monkeypatch):
    terminal = on_terminal()
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    computed = []
    with ProgressBar(10, 0, "training", True) as bar:
        for step in range(10):
            now[0] += 0.2
            bar.advance(lambda step=step: computed.append(step) or {"loss": 0.5})
        bar.finish({"loss": 0.25})
    assert computed == [2, 5, 8]
    assert "\n" not in terminal.getvalue().strip()


def test_a_process_that_shows_nothing_computes_nothing(on_terminal):
    terminal = on_terminal()
    with ProgressBar(2, 0, "training", False) as bar:
        bar.advance(lambda: 1 / 0)
        bar.finish({"loss": 1.0})
    assert terminal.getvalue() == ""


def test_a_resumed_epoch_starts_where_it_was(on_terminal):
    on_terminal()
    with ProgressBar(10, 4, "training", True) as bar:
        assert bar._bar.n == 4
        assert bar._bar.total == 10


def lines_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_lines_are_written_several_at_a_time(tmp_path):
    log = MetricsLog(str(tmp_path), interval=10)
    assert [step for step in range(1, 31) if log.is_due(step)] == [10, 20, 30]
    log.add("step", 0, 10, 10, {"loss": 1.5})
    assert not (tmp_path / "metrics.jsonl").exists()
    log.add("epoch", 0, 12, 12, {"loss": torch.tensor(1.0), "best_epoch": None})
    assert lines_of(tmp_path) == [
        {"event": "step", "epoch": 0, "batch": 10, "step": 10, "seconds": 0.0, "loss": 1.5},
        {
            "event": "epoch",
            "epoch": 0,
            "batch": 12,
            "step": 12,
            "seconds": 0.0,
            "loss": 1.0,
            "best_epoch": None,
        },
    ]
    for step in range(60):
        log.add("step", 1, step, step, {})
    assert len(lines_of(tmp_path)) == 52


def test_what_was_written_after_the_checkpoint_is_cut_off(tmp_path):
    log = MetricsLog(str(tmp_path))
    log.add("epoch", 0, 1, 1, {})
    state = log.state_dict()
    log.add("epoch", 1, 1, 2, {"lost": 1})
    resumed = MetricsLog(str(tmp_path))
    resumed.load_state_dict(state)
    resumed.add("epoch", 1, 1, 2, {"kept": 1})
    assert [line["epoch"] for line in lines_of(tmp_path)] == [0, 1]
    assert "kept" in lines_of(tmp_path)[1]


def test_a_new_run_starts_a_new_file(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("old\n")
    log = MetricsLog(str(tmp_path))
    assert log.state_dict() == {"lines": 0, "crc32": 0}
    assert lines_of(tmp_path) == []


def test_a_file_that_is_gone_starts_anew(tmp_path, caplog):
    log = MetricsLog(str(tmp_path))
    log.load_state_dict({"lines": 10, "crc32": 1})
    assert "metrics.jsonl: earlier lines are lost" in caplog.text
    log.add("epoch", 3, 1, 4, {})
    assert len(lines_of(tmp_path)) == 1


def test_other_processes_write_nothing(tmp_path):
    log = MetricsLog(None)
    log.add("epoch", 0, 1, 1, {})
    assert log.state_dict() == {"lines": 0, "crc32": 0}


def test_a_folder_that_is_gone(tmp_path):
    log = MetricsLog(str(tmp_path / "gone"))
    with pytest.raises(ConfigurationError, match=r"metrics.jsonl: cannot be written \(No such file"):
        log.add("epoch", 0, 1, 1, {})


@pytest.mark.parametrize("damage", ["flip", "cut", "append"])
def test_a_damaged_file_is_named(tmp_path, caplog, damage):
    log, path = MetricsLog(str(tmp_path)), tmp_path / "metrics.jsonl"
    for epoch in range(3):
        log.add("epoch", epoch, 1, epoch, {"loss": 0.5})
    state = log.state_dict()
    whole = path.read_text()
    path.write_text(
        {"flip": whole.replace("0.5", "0.7", 1), "cut": whole[:-10], "append": whole + "{half a li"}[damage]
    )
    resumed = MetricsLog(str(tmp_path))
    resumed.load_state_dict(state)
    named = "metrics.jsonl: its first 3 lines have been altered" in caplog.text
    assert named == (
        damage != "append"
    )  # what a killed process wrote after the checkpoint goes without a word
    resumed.add("epoch", 3, 1, 3, {})
    assert [line["epoch"] for line in lines_of(tmp_path)] == ([0, 1, 3] if damage == "cut" else [0, 1, 2, 3])


def test_a_state_of_the_version_before_knows_the_bytes(tmp_path):
    log, path = MetricsLog(str(tmp_path)), tmp_path / "metrics.jsonl"
    log.add("epoch", 0, 1, 1, {})
    size = path.stat().st_size
    log.add("epoch", 1, 1, 2, {})
    resumed = MetricsLog(str(tmp_path))
    resumed.load_state_dict({"size": size})
    assert [line["epoch"] for line in lines_of(tmp_path)] == [0]
    assert resumed.state_dict()["lines"] == 1


def test_memory_is_in_mebibytes():
    (name, size), *others = memory_metrics().items()
    assert name == "worker_0_memory_MB"
    assert 10 < size < 1_000_000
    assert all(other.startswith("gpu_") for other, _ in others)


def test_peaks_are_the_largest_so_far(make_trainer, monkeypatch):
    sizes = iter([3.0, 5.0, 4.0])
    monkeypatch.setattr(
        "nlpreg.training.metrics_log.memory_metrics", lambda: {"worker_0_memory_MB": next(sizes)}
    )
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


def test_a_folder_of_metrics_that_is_gone(tmp_path):
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
    assert caplog.text.count("is damaged or missing; rewritten") == 2
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
