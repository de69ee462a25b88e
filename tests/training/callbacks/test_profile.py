import json
import logging

import torch

from nlpreg.training.callbacks.profile import _Stopwatch
from nlpreg.training.metrics_log import NoTimer


def test_the_phases_of_a_step(make_trainer, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        trainer = make_trainer({"num_epochs": 1, "callbacks": ["profile"]})
        trainer.train()
    report = json.loads((tmp_path / "run" / "profile.json").read_text())
    assert report["steps"] == 4  # of 7, the first 3 do not count
    assert set(report["milliseconds_a_step"]) == {
        "data",
        "forward",
        "backward",
        "gradients",
        "update",
        "callbacks",
        "other",
    }
    assert all(time >= 0 for time in report["milliseconds_a_step"].values())
    assert abs(sum(report["milliseconds_a_step"].values()) - report["total"]) < 1e-6
    assert "milliseconds of a step, mean of 4 steps" in caplog.text
    assert isinstance(trainer.run.timer, NoTimer)


def test_what_belongs_to_no_step_does_not_count(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("nlpreg.training.callbacks.profile.time.perf_counter", lambda: now[0])
    timer = _Stopwatch(torch.device("cpu"))

    def spend(phase, seconds):
        with timer.phase(phase):
            now[0] += seconds

    spend("data", 1)
    now[0] += 5  # the rest of the step
    spend("update", 2)
    now[0] += 100  # a batch of validation
    timer.skip()
    timer.skip_to_next_data = True
    now[0] += 100  # a checkpoint at the end of the epoch
    spend("data", 3)
    timer.steps = 1
    assert timer.report()["milliseconds_a_step"] == {"other": 5000, "data": 4000, "update": 2000}


def test_a_trace_of_operations(make_trainer, tmp_path):
    make_trainer(
        {"num_epochs": 1, "callbacks": [{"type": "profile", "warmup_steps": 2, "trace_steps": 2}]}
    ).train()
    trace = json.loads((tmp_path / "run" / "trace.json").read_text())
    assert any("linear" in event.get("name", "") for event in trace["traceEvents"])


def test_a_trace_that_the_run_is_too_short_for(make_trainer, tmp_path):
    make_trainer(
        {"num_epochs": 1, "callbacks": [{"type": "profile", "warmup_steps": 2, "trace_steps": 99}]}
    ).train()
    assert (tmp_path / "run" / "trace.json").exists()
