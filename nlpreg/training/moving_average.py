"""Moving averages of the weights, often better than the last weights themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from nlpreg.common import Registrable
from nlpreg.nn.parallel.torch_fsdp_accelerator import shard_like

NamedParameter = tuple[str, Tensor]


class MovingAverage(Registrable):
    """Keeps a shadow of each parameter, and a backup of it while the shadow takes its place.

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
        """Move the shadows towards the present values.

        Args:
            num_updates: number of updates of the run so far.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to average")

    @torch.no_grad()
    def assign_average_value(self) -> None:
        """Back up the present values and put the averages in their place."""
        # In place: DDP, optimizers and compiled code hold on to the parameters themselves.
        for name, parameter in self._parameters:
            self._backups[name].copy_(parameter)
            parameter.copy_(self._shadows[name])

    @torch.no_grad()
    def restore(self) -> None:
        """Put back the values of before `assign_average_value`."""
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
                    f"moving average: expected the parameters {sorted(kept)}, got {sorted(loaded)}; the state is of "
                    "another model, or other parameters are frozen"
                )
            for name, value in loaded.items():
                kept[name].copy_(shard_like(value, kept[name]))


@MovingAverage.register("exponential")
class ExponentialMovingAverage(MovingAverage):
    """The average `shadow = d * shadow + (1 - d) * value`, with `d` the lesser of `decay` and a rising fraction.

    After n updates that fraction is `(numerator + n) / (denominator + n)`, so that early values soon have little weight.

    Args:
        parameters: pairs of name and parameter; given by the trainer.
        decay: the largest weight of the old average at each update, from 0 to 1.
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
        """Move the shadows towards the present values."""
        decay = self._decay
        if num_updates is not None:
            decay = min(decay, (self._numerator + num_updates) / (self._denominator + num_updates))
        for name, parameter in self._parameters:
            self._shadows[name].lerp_(parameter, 1 - decay)
