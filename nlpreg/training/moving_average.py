"""Moving averages of the weights, which often generalize better than the last weights."""

import logging
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from nlpreg.common import Registrable
from nlpreg.common.checks import ConfigurationError, check_at_least
from nlpreg.nn.parallel.torch_fsdp_accelerator import shard_like

logger = logging.getLogger(__name__)

NamedParameter = tuple[str, Tensor]


class MovingAverage(Registrable):
    """Keeps an average (shadow) of each parameter, and a backup of the parameter while the average replaces it.

    Args:
        parameters: pairs of name and parameter; given by the trainer.
    """

    constructor_extras = frozenset(["parameters"])

    default_implementation = "exponential"

    def __init__(self, parameters: Iterable[NamedParameter]) -> None:
        self._parameters = [(name, parameter) for name, parameter in parameters]
        self._shadows = {name: parameter.detach().clone() for name, parameter in self._parameters}
        self._backups = {name: parameter.detach().clone() for name, parameter in self._parameters}

    def apply(self, num_updates: int | None = None) -> None:
        """Move the shadows towards the current values.

        Args:
            num_updates: number of updates of the run so far.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement apply")

    def end_epoch(self, score: float | None) -> None:
        """Called after the validation of each epoch; the base class does nothing.

        Args:
            score: score of the validation, higher is better; None without validation.
        """

    @torch.no_grad()
    def assign_average_value(self) -> None:
        """Back up the current values and replace them by the averages."""
        # In place, because DDP, optimizers and compiled code refer to the parameters themselves.
        for name, parameter in self._parameters:
            self._backups[name].copy_(parameter)
            parameter.copy_(self._shadows[name])

    @torch.no_grad()
    def restore(self) -> None:
        """Restore the values from before `assign_average_value`."""
        for name, parameter in self._parameters:
            parameter.copy_(self._backups[name])

    def state_dict(self) -> dict[str, Any]:
        """The shadows and backups by name; the parameters belong to the model's state."""
        return {"shadows": self._shadows, "backups": self._backups}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`; the parameters stay those of the model.

        Raises:
            RuntimeError: it holds other parameters.
        """
        for kept, loaded in ((self._shadows, state_dict["shadows"]), (self._backups, state_dict["backups"])):
            if kept.keys() != loaded.keys():
                raise RuntimeError(
                    f"moving average: expected the parameters {sorted(kept)}, got {sorted(loaded)}; the state belongs to "
                    "another model, or other parameters are frozen"
                )
            for name, value in loaded.items():
                kept[name].copy_(shard_like(value, kept[name]))


@MovingAverage.register("exponential")
class ExponentialMovingAverage(MovingAverage):
    """The average `shadow = d * shadow + (1 - d) * value`, where `d = min(decay, (numerator + n) / (denominator + n))`.

    The fraction rises with the number of updates n, so that the weight of early values declines quickly.

    Args:
        parameters: pairs of name and parameter; given by the trainer.
        decay: the largest weight of the previous average in an update, from 0 to 1.
        numerator: see above.
        denominator: see above.
    """

    def __init__(
        self,
        parameters: Iterable[NamedParameter],
        decay: float = 0.9999,
        numerator: float = 1.0,
        denominator: float = 10.0,
    ) -> None:
        super().__init__(parameters)
        self._decay = decay
        self._numerator = numerator
        self._denominator = denominator

    @torch.no_grad()
    def apply(self, num_updates: int | None = None) -> None:
        """Move the shadows towards the current values."""
        decay = self._decay
        if num_updates is not None:
            decay = min(decay, (self._numerator + num_updates) / (self._denominator + num_updates))
        for name, parameter in self._parameters:
            self._shadows[name].lerp_(parameter, 1 - decay)


@MovingAverage.register("non_monotonic")
class NonMonotonicallyTriggeredAverage(MovingAverage):
    """The mean of the weights of all updates since validation stopped improving.

    Averaging starts after the first validation that is worse than the best one of more than `patience` validations ago.
    Until then the averages are the weights themselves. Together with `sgd` at a constant learning rate, this is NT-ASGD, with
    which AWD language models are trained.

    Args:
        parameters: pairs of name and parameter; given by the trainer.
        patience: number of the latest validations that a score is not compared with (the non-monotone interval).

    Raises:
        ConfigurationError: `patience` is below 1; the run has no validation.

    Source: Merity, Keskar and Socher (2018), algorithm 1, https://arxiv.org/abs/1708.02182
    """

    def __init__(self, parameters: Iterable[NamedParameter], patience: int = 5) -> None:
        check_at_least(1, patience=patience)
        super().__init__(parameters)
        self._patience = patience
        self._scores: list[float] = []
        self._num_averaged: int | None = None  # None until averaging starts

    @property
    def is_triggered(self) -> bool:
        """Whether averaging has started."""
        return self._num_averaged is not None

    @torch.no_grad()
    def apply(self, num_updates: int | None = None) -> None:
        """Include the current values in the mean, once averaging has started."""
        if self._num_averaged is None:
            return
        self._num_averaged += 1
        for name, parameter in self._parameters:
            self._shadows[name].lerp_(parameter, 1 / self._num_averaged)

    def end_epoch(self, score: float | None) -> None:
        """Start averaging if the score is worse than the best one of more than `patience` validations ago."""
        if score is None:
            raise ConfigurationError(
                "trainer.moving_average: non_monotonic needs validation scores, and the run has no validation data; add "
                "validation_data_path, or use exponential"
            )
        older = self._scores[: -self._patience]
        self._scores.append(score)
        if self._num_averaged is None and older and score < max(older):
            self._num_averaged = 0
            logger.info("The validation has stopped improving: averaging the weights from here on")

    @torch.no_grad()
    def assign_average_value(self) -> None:
        """Back up the current values and put the averages in their place."""
        if not self._num_averaged:
            for name, parameter in self._parameters:
                self._shadows[name].copy_(parameter)
        super().assign_average_value()

    def state_dict(self) -> dict[str, Any]:
        """Shadows, backups, the scores so far and the number of updates in the mean."""
        return {**super().state_dict(), "scores": list(self._scores), "num_averaged": self._num_averaged}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See `MovingAverage.load_state_dict`."""
        super().load_state_dict(state_dict)
        self._scores = list(state_dict["scores"])
        self._num_averaged = state_dict["num_averaged"]
