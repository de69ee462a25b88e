import inspect
import json
import sys
import types

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.callbacks import WandBCallback


@pytest.fixture
def service(monkeypatch):
    """Stands for the package: notes every call."""
    calls = []
    module = types.ModuleType("wandb")
    module.Histogram = lambda values: ("histogram", len(values))
    for name in ("init", "save", "watch", "log", "finish"):
        setattr(module, name, lambda *args, _name=name, **kwargs: calls.append((_name, args, kwargs)))
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setenv("WANDB_API_KEY", "x")
    return calls


def named(calls, name):
    return [(args, kwargs) for called, args, kwargs in calls if called == name]


CONFIG = {
    "type": "wandb",
    "project": "p",
    "tags": ["a"],
    "summary_interval": 7,
    "distribution_interval": 7,
    "wandb_kwargs": {"mode": "offline"},
}


def test_a_run_is_sent(make_trainer, service, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps({"model": {"size": 3}}))
    make_trainer({"callbacks": [CONFIG]}).train()
    ((_, options),) = named(service, "init")
    assert options["project"] == "p"
    assert options["tags"] == ["a"]
    assert options["mode"] == "offline"
    assert len(options["id"]) == 8
    assert options["anonymous"] == "allow"
    assert options["config"] == {"model": {"size": 3}}
    assert "resume" not in options
    assert len(named(service, "save")) == 2
    assert len(named(service, "watch")) == len(named(service, "finish")) == 1
    records = [(args[0], kwargs["step"]) for args, kwargs in named(service, "log")]
    assert any("train/batch_loss" in record and step == 7 for record, step in records)
    assert any(record.get("epoch") == 1 and "validation/loss" in record for record, step in records)
    assert any(record.get("parameter_histogram/linear.weight") == ("histogram", 3) for record, _ in records)


def test_a_resumed_run_goes_on_in_the_same_run(make_trainer, service):
    make_trainer({"callbacks": [CONFIG]}).train()
    ((_, first),) = named(service, "init")
    service.clear()
    make_trainer({"callbacks": [CONFIG], "num_epochs": 3}).train()
    ((_, options),) = named(service, "init")
    assert options["id"] == first["id"]
    assert options["resume"] == "auto"


def test_a_missing_key_is_said(monkeypatch, tmp_path, caplog):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    WandBCallback(tmp_path, wandb_kwargs={"mode": "offline"})
    assert caplog.text == ""
    WandBCallback(tmp_path)
    assert "WANDB_API_KEY is not set" in caplog.text


@pytest.mark.parametrize("default", [None, object(), ...])
def test_versions_without_anonymous_runs_are_not_asked_for_them(default, make_trainer, service, monkeypatch):
    given = {}

    def init(config=None, id=None, dir=None, project=None, entity=None, group=None, name=None, notes=None,
             tags=None, mode=None, anonymous=default):  # fmt: skip
        given.update(anonymous=anonymous, id=id)

    if default is ...:  # the argument is gone
        parameters = [p for p in inspect.signature(init).parameters.values() if p.name != "anonymous"]
        init.__signature__ = inspect.Signature(parameters)
    monkeypatch.setattr(sys.modules["wandb"], "init", init)
    make_trainer({"num_epochs": 1, "callbacks": [CONFIG]}).train()
    assert given["anonymous"] == ("allow" if default is None else default)


def test_without_the_package_the_error_names_the_extra(monkeypatch, make_trainer):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(
        ConfigurationError, match=r"callbacks\.0: the package 'wandb' .*pip install 'nlpreg\[wandb\]'"
    ):
        make_trainer({"callbacks": ["wandb"]}).train()
