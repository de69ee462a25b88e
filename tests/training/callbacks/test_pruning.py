"""A trial that does worse than the median of the others ends; one that does better goes on."""

from pathlib import Path
from typing import Any

import pytest

from nlpreg.training.callbacks import OptunaPruningCallback, TrialPruned
from nlpreg.training.callbacks.pruning import PRUNED_AT

optuna = pytest.importorskip("optuna")


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


def trial_of(storage: str, values: list[float], tmp_path: Path, **metrics: Any) -> Any:
    """A new trial whose run reports these values, one an epoch."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="s", storage=storage, direction="maximize", load_if_exists=True)
    number = study.ask().number
    callback = OptunaPruningCallback(str(tmp_path), storage, "s", number, "validation_accuracy")
    trainer: Any = None
    for epoch, value in enumerate(values):
        callback.on_epoch(trainer, {"validation_accuracy": value, **metrics}, epoch)
    study.tell(number, values[-1])
    return next(trial for trial in study.trials if trial.number == number)


def test_values_are_reported_by_epoch(storage: str, tmp_path: Path) -> None:
    assert trial_of(storage, [0.1, 0.5], tmp_path).intermediate_values == {0: 0.1, 1: 0.5}


def test_the_worse_one_ends(storage: str, tmp_path: Path) -> None:
    for _ in range(5):  # the pruner waits for so many trials
        trial_of(storage, [0.5, 0.6], tmp_path)
    assert trial_of(storage, [0.7, 0.8], tmp_path).intermediate_values == {0: 0.7, 1: 0.8}
    with pytest.raises(TrialPruned, match="trial 6 does worse than the others after epoch 1"):
        trial_of(storage, [0.55, 0.56, 0.9], tmp_path)
    study = optuna.load_study(study_name="s", storage=storage)
    assert study.trials[-1].user_attrs == {PRUNED_AT: 1}


def test_an_epoch_that_is_repeated_after_a_kill_is_reported_once(storage: str, tmp_path: Path) -> None:
    optuna.create_study(study_name="s", storage=storage, direction="maximize").ask()
    callback = OptunaPruningCallback(str(tmp_path), storage, "s", 0, "validation_accuracy")
    trainer: Any = None
    for value in (0.5, 0.6):
        callback.on_epoch(trainer, {"validation_accuracy": value}, 0)
    assert optuna.load_study(study_name="s", storage=storage).trials[0].intermediate_values == {0: 0.5}


def test_other_processes_and_epochs_without_the_metric_report_nothing(storage: str, tmp_path: Path) -> None:
    optuna.create_study(study_name="s", storage=storage).ask()
    callback = OptunaPruningCallback(str(tmp_path), storage, "s", 0, "validation_accuracy")
    trainer: Any = None
    callback.on_epoch(trainer, {"validation_accuracy": 0.5}, 0, is_primary=False)
    callback.on_epoch(trainer, {"training_loss": 0.5}, 0)
    assert optuna.load_study(study_name="s", storage=storage).trials[0].intermediate_values == {}
