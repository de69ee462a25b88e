"""AdamW as the transformers library had it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nlpreg.training.optimizers.optimizer import Optimizer
from nlpreg.training.optimizers.parameter_groups import ParameterGroupsType, make_parameter_groups
from nlpreg.training.protocols import NamedParameters


@Optimizer.register("huggingface_adamw")
class HuggingfaceAdamWOptimizer(Optimizer):
    """Adam with decoupled weight decay after the step, and with `eps` added before the bias correction.

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        parameter_groups: groups with options of their own, see `make_parameter_groups`.
        lr: learning rate.
        betas: shares, from 0 to 1, of the old mean and of the old mean square that are kept at each step.
        eps: added to the denominator.
        weight_decay: a weight loses this share of itself, times the learning rate, after each step.
        correct_bias: whether to correct for moments that start at zero.

    Source: Loshchilov and Hutter (2019), https://arxiv.org/abs/1711.05101
    """

    def __init__(
        self,
        model_parameters: NamedParameters,
        parameter_groups: ParameterGroupsType | None = None,
        lr: float = 1e-5,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        correct_bias: bool = True,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "correct_bias": correct_bias,
        }
        super().__init__(make_parameter_groups(model_parameters, parameter_groups), defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            with_gradient = [p for p in group["params"] if p.grad is not None]
            by_step: dict[int, list[Tensor]] = {}  # parameters that were frozen for a while lag behind
            for parameter in with_gradient:
                by_step.setdefault(self._count(parameter), []).append(parameter)
            for step, parameters in by_step.items():
                self._update(parameters, group, step)
        return loss

    def _count(self, parameter: Tensor) -> int:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        step: int = state["step"]
        return step

    def _update(self, parameters: list[Tensor], group: dict[str, Any], step: int) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        means = [self.state[p]["exp_avg"] for p in parameters]
        squares = [self.state[p]["exp_avg_sq"] for p in parameters]
        beta1, beta2 = group["betas"]
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - beta2)
        denominators = torch._foreach_sqrt(squares)
        torch._foreach_add_(denominators, group["eps"])
        rate = group["lr"]
        if group["correct_bias"]:
            rate *= (1 - beta2**step) ** 0.5 / (1 - beta1**step)
        torch._foreach_addcdiv_(parameters, means, denominators, value=-rate)
        if group["weight_decay"] > 0:
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
