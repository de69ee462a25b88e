"""Early stopping of trials: validation scores are reported to an Optuna study, whose pruner decides."""

import os
import warnings
from typing import TYPE_CHECKING, Any

from nlpreg.common.imports import check_package, optional
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.protocols import MetricValues

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer

PRUNED_AT = "pruned_at"
"""Attribute of a pruned trial: its last epoch."""


class TrialPruned(RuntimeError):
    """The trial was stopped because it is worse than the others."""


@TrainerCallback.register("optuna_pruning")
class OptunaPruningCallback(TrainerCallback):
    """Reports a metric to a trial of an Optuna study after each epoch, and stops the run if the study's pruner decides so.

    `nlpreg tune` adds it to the run of each trial.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        storage: URL of the study, such as `sqlite:///study.db`.
        study: name of the study.
        trial: number of the trial.
        metric: key of the metric in `metrics_epoch_*.json`, such as `validation_accuracy`.
        pruner: name of a class in `optuna.pruners`.

    Raises:
        TrialPruned: (after an epoch) the pruner stops the trial.
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
        """Check that Optuna is installed."""
        check_package("optuna", "optuna")

    def on_epoch(
        self,
        trainer: "RunningTrainer",
        metrics: MetricValues,
        epoch: int,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Report the metric, and stop if the pruner decides so."""
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
