"""RMSprop."""

from __future__ import annotations

import torch

from nlpreg.training.optimizers.optimizer import Optimizer
from nlpreg.training.optimizers.parameter_groups import ParameterGroupsType, make_parameter_groups
from nlpreg.training.protocols import NamedParameters


@Optimizer.register("rmsprop")
class RmsPropOptimizer(Optimizer, torch.optim.RMSprop):
    """Gradient descent that divides by the root of a running mean of squared gradients.

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        parameter_groups: groups with options of their own, see `make_parameter_groups`.
        lr: learning rate.
        alpha: share, from 0 to 1, of the old mean that is kept at each step.
        eps: added to the denominator.
        weight_decay: this share of a weight is added to its gradient.
        momentum: share, from 0 to 1, of the last update that is added to the next.
        centered: whether to divide by the variance instead of the mean square.
    """

    def __init__(
        self,
        model_parameters: NamedParameters,
        parameter_groups: ParameterGroupsType | None = None,
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params=make_parameter_groups(model_parameters, parameter_groups),
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
        )
