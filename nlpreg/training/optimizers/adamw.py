"""Adam with decoupled weight decay."""

from __future__ import annotations

import torch

from nlpreg.training.optimizers.fused import ChoosesFusedStep
from nlpreg.training.optimizers.optimizer import Optimizer
from nlpreg.training.optimizers.parameter_groups import ParameterGroupsType, make_parameter_groups
from nlpreg.training.protocols import NamedParameters


@Optimizer.register("adamw")
class AdamWOptimizer(Optimizer, ChoosesFusedStep, torch.optim.AdamW):
    """Adam, with weights that decay by themselves instead of through the gradient.

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        parameter_groups: groups with options of their own, see `make_parameter_groups`.
        lr: learning rate.
        betas: shares, from 0 to 1, of the old mean and of the old mean square that are kept at each step.
        eps: added to the denominator.
        weight_decay: a weight loses this share of itself, times the learning rate, at each step.
        amsgrad: whether to divide by the largest mean square so far.
        fused: whether to use torch's fused update; by default where it can be used.

    Source: Loshchilov and Hutter (2019), https://arxiv.org/abs/1711.05101
    """

    def __init__(
        self,
        model_parameters: NamedParameters,
        parameter_groups: ParameterGroupsType | None = None,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params=make_parameter_groups(model_parameters, parameter_groups),
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            fused=fused,
        )
        self.choose_fused_at_first_step(fused)
