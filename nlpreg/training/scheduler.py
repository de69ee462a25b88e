"""`Scheduler`, the base class of the schedulers of learning rates and momentum."""

from typing import Any

import torch

from nlpreg.common.checks import ConfigurationError

_RUN_LENGTHS = ("num_epochs", "total_steps")
"""Attributes of schedulers that depend on the length of the run, which a resumed run may change."""


class MissingFieldError(ConfigurationError, KeyError):
    """An optimizer lacks the field that a scheduler sets; also a `KeyError`."""


class Scheduler:
    """Sets one field of an optimizer's parameter groups, once per update or once per epoch.

    The trainer calls `step_batch(k)` before the k-th update of the run (k from 1) and `step(score)` after each epoch.

    Args:
        optimizer: its parameter groups are changed.
        param_group_field: the field to set, such as `lr`.
        last_epoch: -1 at the start; otherwise the number of the last finished epoch, and each group must have
            `initial_<field>`.

    Raises:
        MissingFieldError: a parameter group lacks the field.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, param_group_field: str, last_epoch: int = -1
    ) -> None:
        self.optimizer = optimizer
        self.param_group_field = param_group_field
        self._initial_param_group_field = f"initial_{param_group_field}"
        needed = param_group_field if last_epoch == -1 else self._initial_param_group_field
        for index, group in enumerate(optimizer.param_groups):
            if needed not in group:
                raise MissingFieldError(
                    f"{type(self).__name__}: {needed!r} missing in parameter group {index} of "
                    f"{type(optimizer).__name__}; use an optimizer that has it"
                )
            if last_epoch == -1:
                group.setdefault(self._initial_param_group_field, group[param_group_field])
        self.base_values: list[Any] = [
            group[self._initial_param_group_field] for group in optimizer.param_groups
        ]
        self.last_epoch = last_epoch

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`; the length of the run is the current one, which may differ from the saved one."""
        vars(self).update({name: value for name, value in state_dict.items() if name not in _RUN_LENGTHS})

    def get_values(self) -> list[Any]:
        """The values of the parameter groups at `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement get_values")

    def step(self, metric: float | None = None) -> None:
        """End an epoch: set the values of the next one.

        Args:
            metric: the validation score, higher is better; None without validation.
        """
        self.last_epoch += 1
        self.metric = metric
        self._set_values()

    def step_batch(self, batch_num_total: int | None = None) -> None:
        """Set the values of the next update; does nothing in schedulers that step once per epoch.

        Args:
            batch_num_total: number of that update, from 1, over the whole run.
        """

    def _set_values(self) -> None:
        for group, value in zip(self.optimizer.param_groups, self.get_values(), strict=True):
            group[self.param_group_field] = value
