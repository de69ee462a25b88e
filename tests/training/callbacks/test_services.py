"""MLflow and Trackio, with stand-ins for their packages that note every call."""

import json
import sys
import types

import pytest

from nlpreg.commands.check.checking import check_config
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.callbacks import TrainerCallback

PACKAGES = {
    "mlflow": ["set_tracking_uri", "set_experiment", "log_params", "log_metrics", "end_run"],
    "trackio": ["init", "log", "finish"],
}


@pytest.fixture
def calls(monkeypatch):
    noted = []
    for package, names in PACKAGES.items():
        module = types.ModuleType(package)
        for name in names:
            setattr(module, name, lambda *args, _name=name, **kwargs: noted.append((_name, args, kwargs)))
        monkeypatch.setitem(sys.modules, package, module)

    def start_run(run_id=None, **kwargs):
        noted.append(("start_run", (), {"run_id": run_id, **kwargs}))
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=run_id or "new"))

    sys.modules["mlflow"].start_run = start_run
    return noted


def named(calls, name):
    return [(args, kwargs) for called, args, kwargs in calls if called == name]


def test_mlflow(make_trainer, calls, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps({"model": {"size": 3, "text": "x" * 900}}))
    config = {
        "type": "mlflow",
        "tracking_uri": "here",
        "experiment": "e",
        "summary_interval": 7,
        "distribution_interval": 7,
    }
    make_trainer({"callbacks": [config]}).train()
    assert named(calls, "set_tracking_uri") == [(("here",), {})]
    assert named(calls, "set_experiment") == [(("e",), {})]
    ((parameters,), _) = named(calls, "log_params")[0]
    assert parameters == {"model.size": "3", "model.text": "x" * 500}
    records = [(args[0], kwargs["step"]) for args, kwargs in named(calls, "log_metrics")]
    assert any("train/batch_loss" in record and step == 7 for record, step in records)
    assert any(record.get("epoch") == 1 and "validation/loss" in record for record, _ in records)
    assert len(named(calls, "end_run")) == 1
    calls.clear()
    make_trainer({"callbacks": [config], "num_epochs": 3}).train()
    ((_, options),) = named(calls, "start_run")
    assert options["run_id"] == "new"
    assert not named(calls, "log_params")


def test_names_that_mlflow_takes(calls, tmp_path):
    callback = TrainerCallback.by_name("mlflow")(tmp_path)
    callback.service = sys.modules["mlflow"]
    callback.send({"f1-measure-<b>": 1.0}, step=3)
    assert named(calls, "log_metrics") == [(({"f1-measure-_b_": 1.0},), {"step": 3})]


def test_trackio(make_trainer, calls):
    config = {"type": "trackio", "project": "p", "trackio_kwargs": {"space_id": "s"}, "summary_interval": 7}
    make_trainer({"callbacks": [config]}).train()
    ((_, first),) = named(calls, "init")
    assert (first["project"], first["space_id"], first["resume"]) == ("p", "s", "never")
    assert any("train/batch_loss" in args[0] and kwargs["step"] == 7 for args, kwargs in named(calls, "log"))
    assert len(named(calls, "finish")) == 1
    calls.clear()
    make_trainer({"callbacks": [config], "num_epochs": 3}).train()
    ((_, options),) = named(calls, "init")
    assert (options["name"], options["resume"]) == (first["name"], "must")


@pytest.mark.parametrize("name", ["mlflow", "trackio", "wandb", "tensorboard"])
def test_the_check_says_that_a_package_is_missing(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    config = {"trainer": {"callbacks": [{"type": name}]}}
    message = f"the package '{name}' is needed here and not installed: pip install 'nlpreg[{name}]'"
    problems = {problem.path: problem.message for problem in check_config(config).problems}
    assert problems["trainer.callbacks.0"] == message
    with pytest.raises(ConfigurationError, match="pip install"):
        TrainerCallback.by_name(name).check_arguments()
