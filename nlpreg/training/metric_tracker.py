"""`MetricTracker`: finds the best validation and decides when to stop early."""

import math
from typing import Any

from nlpreg.common.checks import ConfigurationError

# the attributes in a checkpoint, where their names begin without an underscore
_STATE = (
    "_best_so_far",
    "_epochs_with_no_improvement",
    "_is_best_so_far",
    "_epoch_number",
    "best_epoch",
    "best_epoch_metrics",
)


class MetricTracker:
    """Tracks one validation metric, or the sum of several, and decides when to stop.

    Args:
        metric_name: a metric with a leading `+` (higher is better) or `-` (lower is better), or several of them.
        patience: number of consecutive validations without improvement after which to stop; None for never.

    Raises:
        ConfigurationError: there is no metric, or one without a leading sign.
    """

    def __init__(self, metric_name: str | list[str], patience: int | None = None) -> None:
        self._patience = patience
        self.clear()
        names = [metric_name] if isinstance(metric_name, str) else list(metric_name)
        if not names:
            raise ConfigurationError("trainer.validation_metric: expected at least one metric, got none")
        for name in names:
            if name[:1] not in ("+", "-"):
                raise ConfigurationError(
                    f"trainer.validation_metric: expected a leading + (higher is better) or - (lower is better), "
                    f"got {name!r}"
                )
        self.tracked_metrics = [(1.0 if name[0] == "+" else -1.0, name[1:]) for name in names]

    @property
    def patience(self) -> int | None:
        """Number of validations without improvement after which training stops; None for any number."""
        return self._patience

    def clear(self) -> None:
        """Reset to the state before any validation."""
        self._best_so_far: float | None = None
        self._epochs_with_no_improvement = 0
        self._is_best_so_far = True
        self._epoch_number = 0
        self.best_epoch: int | None = None
        self.best_epoch_metrics: dict[str, float] = {}

    def combined_score(self, metrics: dict[str, float]) -> float:
        """The sum of the `+` metrics minus that of the `-` metrics; higher is better.

        Args:
            metrics: metrics of a validation, by name without `validation_`.

        Raises:
            ConfigurationError: one of the tracked metrics is missing.
        """
        missing = [name for _, name in self.tracked_metrics if name not in metrics]
        if missing:
            raise ConfigurationError(
                f"trainer.validation_metric: the validation has no metric {', '.join(map(repr, missing))}; "
                f"got {', '.join(sorted(metrics)) or 'none'}"
            )
        return sum(sign * metrics[name] for sign, name in self.tracked_metrics)

    def add_metrics(self, metrics: dict[str, float], epoch: int | None = None) -> None:
        """Add a validation: it is the new best if its score is the first number, or higher than the best.

        Args:
            metrics: metrics of the validation, by name without `validation_`.
            epoch: its epoch, from 0; by default the number of earlier validations.
        """
        score = self.combined_score(metrics)
        best = self._best_so_far
        # any number is better than NaN, although every comparison with NaN is false
        self._is_best_so_far = best is None or score > best or (math.isnan(best) and not math.isnan(score))
        if self._is_best_so_far:
            self._best_so_far = score
            self._epochs_with_no_improvement = 0
            self.best_epoch = self._epoch_number if epoch is None else epoch
        else:
            self._epochs_with_no_improvement += 1
        self._epoch_number += 1

    def is_best_so_far(self) -> bool:
        """Whether the last validation was the best so far; true before the first one."""
        return self._is_best_so_far

    def should_stop_early(self) -> bool:
        """Whether the last `patience` validations brought no improvement."""
        return self._patience is not None and self._epochs_with_no_improvement >= self._patience

    def state_dict(self) -> dict[str, Any]:
        """The best score, and the counters of validations."""
        return {name.removeprefix("_"): getattr(self, name) for name in _STATE}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`."""
        state = {"best_epoch_metrics": {}, **state_dict}  # which AllenNLP does not save
        for name in _STATE:
            setattr(self, name, state[name.removeprefix("_")])
