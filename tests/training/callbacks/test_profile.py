import json
import logging

from nlpreg.training.phase_timer import NoTimer


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
    assert "Milliseconds of a step, mean of 4 steps" in caplog.text
    assert isinstance(trainer._timer, NoTimer)


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
