"""Ending a trial of a search early: the validation is reported to an Optuna study, whose pruner decides."""

import os
import warnings
from typing import TYPE_CHECKING, Any

from nlpreg.common.imports import optional
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.callbacks.services import check_package
from nlpreg.training.protocols import MetricValues

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer

PRUNED_AT = "pruned_at"
"""Attribute of a trial that was pruned: the epoch after which it was."""


class TrialPruned(RuntimeError):
    """A trial does worse than the others, so it ends."""


@TrainerCallback.register("optuna_pruning")
class OptunaPruningCallback(TrainerCallback):
    """Reports a metric to a trial of an Optuna study after each epoch, and ends the run where the study's pruner says so.

    `nlpreg tune` adds it to the run of each trial.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        storage: URL of the study, such as `sqlite:///study.db`.
        study: name of the study.
        trial: number of the trial.
        metric: key of the metric in `metrics_epoch_*.json`, such as `validation_accuracy`.
        pruner: name of a class in `optuna.pruners`.

    Raises:
        TrialPruned: (after an epoch) the trial is to end.
    """

    def __init__(
        self,
        serialization_dir: str | os.PathLike[str],
        storage: str,
        study: str,
        trial: int,
        metric: str,
        pruner: str = "MedianPruner",
    ) -> None:
        super().__init__(serialization_dir)
        self.storage = storage
        self.study = study
        self.trial = trial
        self.metric = metric
        self.pruner = pruner

    @staticmethod
    def check_arguments() -> None:
        """Make sure that Optuna is installed."""
        check_package("optuna", "optuna")

    def on_epoch(
        self,
        trainer: "RunningTrainer",
        metrics: MetricValues,
        epoch: int,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Report the metric, and ask whether to end."""
        value = metrics.get(self.metric)
        if not is_primary or not isinstance(value, (int, float)):
            return
        optuna = optional("optuna", extra="optuna")
        storage = optuna.storages.get_storage(self.storage)
        pruner = getattr(optuna.pruners, self.pruner)()
        study = optuna.load_study(study_name=self.study, storage=storage, pruner=pruner)
        identifier = storage.get_trial_id_from_study_id_trial_number(
            storage.get_study_id_from_name(self.study), self.trial
        )
        trial = optuna.trial.Trial(study, identifier)
        with warnings.catch_warnings():
            # a run resumed after a kill may report an epoch twice
            warnings.simplefilter("ignore")
            trial.report(float(value), step=epoch)
        if trial.should_prune():
            trial.set_user_attr(PRUNED_AT, epoch)
            raise TrialPruned(
                f"trial {self.trial} does worse than the others after epoch {epoch}, so it ends"
            )
