"""AdaMax, Adam with the infinity norm."""

from __future__ import annotations

import torch

from nlpreg.training.optimizers.optimizer import Optimizer
from nlpreg.training.optimizers.parameter_groups import ParameterGroupsType, make_parameter_groups
from nlpreg.training.protocols import NamedParameters


@Optimizer.register("adamax")
class AdamaxOptimizer(Optimizer, torch.optim.Adamax):
    """Adam that divides by the largest recent gradient instead of the mean square.

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        parameter_groups: groups with options of their own, see `make_parameter_groups`.
        lr: learning rate.
        betas: shares, from 0 to 1, of the old mean and of the old maximum that are kept at each step.
        eps: added to the denominator.
        weight_decay: this share of a weight is added to its gradient.

    Source: Kingma and Ba (2015), section 7.1, https://arxiv.org/abs/1412.6980
    """

    def __init__(
        self,
        model_parameters: NamedParameters,
        parameter_groups: ParameterGroupsType | None = None,
        lr: float = 0.002,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params=make_parameter_groups(model_parameters, parameter_groups),
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
        )
