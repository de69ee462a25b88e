"""Adagrad."""

from __future__ import annotations

import torch

from nlpreg.training.optimizers.fused import ChoosesFusedStep
from nlpreg.training.optimizers.optimizer import Optimizer
from nlpreg.training.optimizers.parameter_groups import ParameterGroupsType, make_parameter_groups
from nlpreg.training.protocols import NamedParameters


@Optimizer.register("adagrad")
class AdagradOptimizer(Optimizer, ChoosesFusedStep, torch.optim.Adagrad):
    """Gradient descent that divides by the root of the sum of all squared gradients so far; sparse ones too.

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        parameter_groups: groups with options of their own, see `make_parameter_groups`.
        lr: learning rate.
        lr_decay: after t steps the rate is divided by `1 + t * lr_decay`.
        weight_decay: this share of a weight is added to its gradient.
        initial_accumulator_value: where the sum of squares starts.
        eps: added to the denominator.
        fused: whether to use torch's fused update; by default where it can be used.

    Source: Duchi, Hazan and Singer (2011), https://jmlr.org/papers/v12/duchi11a.html
    """

    fused_devices = ("cpu",)

    def __init__(
        self,
        model_parameters: NamedParameters,
        parameter_groups: ParameterGroupsType | None = None,
        lr: float = 0.01,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params=make_parameter_groups(model_parameters, parameter_groups),
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            fused=fused,
        )
        self.choose_fused_at_first_step(fused)
