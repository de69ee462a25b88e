"""Adadelta."""

from __future__ import annotations

import torch

from nlpreg.training.optimizers.optimizer import Optimizer
from nlpreg.training.optimizers.parameter_groups import ParameterGroupsType, make_parameter_groups
from nlpreg.training.protocols import NamedParameters


@Optimizer.register("adadelta")
class AdadeltaOptimizer(Optimizer, torch.optim.Adadelta):
    """Gradient descent in the units of the weights, by means of squares of gradients and of updates.

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        parameter_groups: groups with options of their own, see `make_parameter_groups`.
        lr: multiplies each update.
        rho: share, from 0 to 1, of the old means that is kept at each step.
        eps: added under the roots.
        weight_decay: this share of a weight is added to its gradient.

    Source: Zeiler (2012), https://arxiv.org/abs/1212.5701
    """

    def __init__(
        self,
        model_parameters: NamedParameters,
        parameter_groups: ParameterGroupsType | None = None,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params=make_parameter_groups(model_parameters, parameter_groups),
            lr=lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
        )
