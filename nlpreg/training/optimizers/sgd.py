"""Stochastic gradient descent."""

from __future__ import annotations

import torch

from nlpreg.training.optimizers.fused import ChoosesFusedStep
from nlpreg.training.optimizers.optimizer import Optimizer
from nlpreg.training.optimizers.parameter_groups import ParameterGroupsType, make_parameter_groups
from nlpreg.training.protocols import NamedParameters


@Optimizer.register("sgd")
class SgdOptimizer(Optimizer, ChoosesFusedStep, torch.optim.SGD):
    """Gradient descent, with momentum if wanted; sparse gradients too.

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        lr: learning rate.
        parameter_groups: groups with options of their own, see `make_parameter_groups`.
        momentum: share, from 0 to 1, of the last update that is added to the next.
        dampening: share, from 0 to 1, by which the gradient is lessened before it enters the momentum.
        weight_decay: this share of a weight is added to its gradient.
        nesterov: whether to use Nesterov's form of momentum.
        fused: whether to use torch's fused update; by default where it can be used.
    """

    def __init__(
        self,
        model_parameters: NamedParameters,
        lr: float,
        parameter_groups: ParameterGroupsType | None = None,
        momentum: float = 0.0,
        dampening: float = 0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params=make_parameter_groups(model_parameters, parameter_groups),
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            fused=fused,
        )
        self.choose_fused_at_first_step(fused)
