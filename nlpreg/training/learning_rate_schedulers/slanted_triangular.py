"""The slanted triangle of ULMFiT, with gradual unfreezing and discriminative fine-tuning."""

from typing import Any

import torch

from nlpreg.common.checks import ConfigurationError, check_share
from nlpreg.training.learning_rate_schedulers.learning_rate_scheduler import LearningRateScheduler


@LearningRateScheduler.register("slanted_triangular")
class SlantedTriangular(LearningRateScheduler):
    """A short linear rise of the learning rate, then a long linear fall.

    For gradual unfreezing the optimizer's parameter groups are listed from the bottom of the model to the top and
    contain every parameter, so that the default group, which comes last, is empty. Only the top group is trained in the
    first epoch, and one more in each later epoch. While groups are frozen, a triangle spans one epoch; the last triangle
    spans the rest of the run.

    Args:
        optimizer: given by the trainer.
        num_epochs: number of epochs of the run; given by the trainer.
        num_steps_per_epoch: number of updates of an epoch; given by the trainer where the data loader knows it. After
            the first epoch, the number of updates done is used.
        cut_frac: share of the updates in which the rate rises, from 0 to 1.
        ratio: the highest rate divided by the lowest.
        last_epoch: -1 to start.
        gradual_unfreezing: see above.
        discriminative_fine_tuning: whether lower groups get lower rates.
        decay_factor: the rate of a group, as a share of that of the group above it.

    Raises:
        ConfigurationError: `cut_frac` is not a share, or the parameter groups are not as described.

    Source: Howard and Ruder (2018), section 3.2, https://arxiv.org/abs/1801.06146
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        num_epochs: int,
        num_steps_per_epoch: int | None = None,
        cut_frac: float = 0.1,
        ratio: float = 32,
        last_epoch: int = -1,
        gradual_unfreezing: bool = False,
        discriminative_fine_tuning: bool = False,
        decay_factor: float = 0.38,
    ) -> None:
        check_share(cut_frac=cut_frac)
        _check_groups(optimizer, gradual_unfreezing, discriminative_fine_tuning)
        super().__init__(optimizer, last_epoch)
        self.num_epochs = num_epochs
        self.num_steps_per_epoch = num_steps_per_epoch
        self.cut_frac = cut_frac
        self.ratio = ratio
        self.gradual_unfreezing = gradual_unfreezing
        self._steps_done = 0
        self._steps_at_epoch_ends = [0]
        if discriminative_fine_tuning:
            self._lower_base_values(decay_factor)
        self._freeze()
        self._set_values()

    def step(self, metric: float | None = None) -> None:
        """End an epoch; unfreeze one more group."""
        self.last_epoch += 1
        self._steps_at_epoch_ends.append(self._steps_done)
        self._freeze()

    def step_batch(self, batch_num_total: int | None = None) -> None:
        """Set the rates of update number `batch_num_total`, or of the next one."""
        self._steps_done = self._steps_done + 1 if batch_num_total is None else batch_num_total
        self._set_values()

    def get_values(self) -> list[float]:
        """The rates at the current update."""
        epochs_done = len(self._steps_at_epoch_ends) - 1
        if epochs_done:
            steps_per_epoch = int(self._steps_at_epoch_ends[-1] / epochs_done)
        else:
            steps_per_epoch = max(self.num_steps_per_epoch or 1, self._steps_done)
        if self.freezing_current:
            begin, length = self._steps_at_epoch_ends[-1], steps_per_epoch
        else:
            begin = self._steps_at_epoch_ends[self._num_freezing_epochs()]
            length = self.num_epochs * steps_per_epoch - begin
        height = self._height(min(self._steps_done - begin, length), length)
        return [base * (1 + height * (self.ratio - 1)) / self.ratio for base in self.base_values]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict`, and freeze the groups that were frozen."""
        super().load_state_dict(state_dict)
        self._freeze()

    def _height(self, step: int, length: int) -> float:
        """The height of the triangle after `step` of `length` updates, from 0 to 1."""
        cut = int(length * self.cut_frac)
        if step < cut:
            return step / cut
        return 1 - (step - cut) / max(1, length - cut)

    def _num_freezing_epochs(self) -> int:
        """Number of epochs in which some group is frozen; the empty default group does not count."""
        return len(self.optimizer.param_groups) - 2 if self.gradual_unfreezing else 0

    @property
    def freezing_current(self) -> bool:
        """Whether some parameter group is still frozen."""
        return len(self._steps_at_epoch_ends) - 1 < self._num_freezing_epochs()

    def _freeze(self) -> None:
        """Train the top groups only: one in the first epoch, one more in each later one."""
        if not self.gradual_unfreezing:
            return
        groups_from_top = list(reversed(self.optimizer.param_groups[:-1]))
        for depth, group in enumerate(groups_from_top):
            for parameter in group["params"]:
                parameter.requires_grad = depth <= self.last_epoch + 1

    def _lower_base_values(self, decay_factor: float) -> None:
        depth = 0
        for index in reversed(range(len(self.base_values))):
            if self.optimizer.param_groups[index]["params"]:
                self.base_values[index] *= decay_factor**depth
                depth += 1


def _check_groups(
    optimizer: torch.optim.Optimizer, gradual_unfreezing: bool, discriminative_fine_tuning: bool
) -> None:
    groups = optimizer.param_groups
    if gradual_unfreezing and groups[-1]["params"]:
        raise ConfigurationError(
            "slanted_triangular: gradual_unfreezing expects every parameter in one of the optimizer's "
            "parameter_groups; some match none of their regular expressions"
        )
    if (gradual_unfreezing or discriminative_fine_tuning) and len(groups) < 3:
        raise ConfigurationError(
            "slanted_triangular: gradual_unfreezing and discriminative_fine_tuning expect at least 2 "
            f"parameter_groups of the optimizer besides the default one, got {len(groups) - 1}"
        )
