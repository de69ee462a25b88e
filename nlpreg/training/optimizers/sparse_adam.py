"""Adam for parameters whose gradients are sparse."""

from __future__ import annotations

import torch

from nlpreg.training.optimizers.optimizer import Optimizer
from nlpreg.training.optimizers.parameter_groups import ParameterGroupsType, make_parameter_groups
from nlpreg.training.protocols import NamedParameters


@Optimizer.register("sparse_adam")
class SparseAdamOptimizer(Optimizer, torch.optim.SparseAdam):
    """Adam that updates only the rows with a gradient; every gradient has to be sparse.

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        parameter_groups: groups with options of their own, see `make_parameter_groups`.
        lr: learning rate.
        betas: shares, from 0 to 1, of the old mean and of the old mean square that are kept at each step.
        eps: added to the denominator.
    """

    def __init__(
        self,
        model_parameters: NamedParameters,
        parameter_groups: ParameterGroupsType | None = None,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(
            params=make_parameter_groups(model_parameters, parameter_groups), lr=lr, betas=betas, eps=eps
        )
