"""AdamW and Adafactor as defined by the transformers library; torch's versions differ in details of the update."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.optimizers.dense_sparse_adam import PlainAdam
from nlpreg.training.optimizers.optimizer import (
    Optimizer,
    ParameterGroupsType,
    evaluate,
    make_parameter_groups,
    refuse_sparse_gradients,
)
from nlpreg.training.protocols import NamedParameters


@Optimizer.register("huggingface_adamw")
class HuggingfaceAdamWOptimizer(PlainAdam):
    """Adam with decoupled weight decay after the step, and with `eps` added before the bias correction.

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        parameter_groups: groups with options of their own, see `make_parameter_groups`.
        lr: learning rate.
        betas: decay rates, from 0 to 1, of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: decoupled weight decay: after each step the weight is multiplied by 1 - lr * weight_decay.
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
        model_parameters = list(model_parameters)  # may be an iterator
        super().__init__(make_parameter_groups(model_parameters, parameter_groups), defaults)
        refuse_sparse_gradients(self, "huggingface_adamw", model_parameters)


@Optimizer.register("huggingface_adafactor")
class HuggingfaceAdafactor(Optimizer):
    """Adam with less memory: of the mean squares of a matrix, only the means over rows and columns are stored.

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        parameter_groups: groups with options of their own, see `make_parameter_groups`.
        lr: learning rate; None with `relative_step`.
        eps: a term added to squared gradients, and the smallest scale of a parameter.
        clip_threshold: largest root mean square of an update.
        decay_rate: exponent, negative: the decay rate of the squares is 1 - step ** decay_rate.
        beta1: decay rate, from 0 to 1, of the running mean of updates; None for no momentum.
        weight_decay: decoupled weight decay: at each step the weight is multiplied by 1 - lr * weight_decay.
        scale_parameter: whether the learning rate is multiplied by the root mean square of the parameter.
        relative_step: whether the learning rate falls with the inverse square root of the step; `lr` is then not given.
        warmup_init: whether this rate rises linearly at first.

    Raises:
        ConfigurationError: `lr` together with `relative_step`, or `warmup_init` without it.

    Source: Shazeer and Stern (2018), https://arxiv.org/abs/1804.04235
    """

    def __init__(
        self,
        model_parameters: NamedParameters,
        parameter_groups: ParameterGroupsType | None = None,
        lr: float | None = None,
        eps: tuple[float, float] = (1e-30, 1e-3),
        clip_threshold: float = 1.0,
        decay_rate: float = -0.8,
        beta1: float | None = None,
        weight_decay: float = 0.0,
        scale_parameter: bool = True,
        relative_step: bool = True,
        warmup_init: bool = False,
    ) -> None:
        if lr is not None and relative_step:
            raise ConfigurationError(
                f"optimizer.lr: expected null with relative_step, got {lr}; set relative_step to false"
            )
        if warmup_init and not relative_step:
            raise ConfigurationError("optimizer.warmup_init: expected relative_step to be true with it")
        defaults = {
            "lr": lr,
            "eps": eps,
            "clip_threshold": clip_threshold,
            "decay_rate": decay_rate,
            "beta1": beta1,
            "weight_decay": weight_decay,
            "scale_parameter": scale_parameter,
            "relative_step": relative_step,
            "warmup_init": warmup_init,
        }
        model_parameters = list(model_parameters)  # may be an iterator
        super().__init__(make_parameter_groups(model_parameters, parameter_groups), defaults)
        refuse_sparse_gradients(self, "huggingface_adafactor", model_parameters)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients."""
        loss = evaluate(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        gradient = gradient.float()
        value = parameter.float()
        if not state:
            _start(state, gradient, group)
        state["step"] += 1
        rate = _rate(group, state["step"], _root_mean_square(value))
        keep = 1.0 - state["step"] ** group["decay_rate"]
        update = _scaled(gradient, gradient.square() + group["eps"][0], state, keep)
        update /= (_root_mean_square(update) / group["clip_threshold"]).clamp_(min=1.0)
        update *= rate
        if group["beta1"] is not None:
            state["exp_avg"].mul_(group["beta1"]).add_(update, alpha=1 - group["beta1"])
            update = state["exp_avg"]
        if group["weight_decay"]:
            value = value - value * (group["weight_decay"] * rate)
        parameter.copy_(value - update)


def _start(state: dict[str, Any], gradient: Tensor, group: dict[str, Any]) -> None:
    state["step"] = 0
    if gradient.dim() >= 2:
        state["exp_avg_sq_row"] = gradient.new_zeros(gradient.shape[:-1])
        state["exp_avg_sq_col"] = gradient.new_zeros(gradient.shape[:-2] + gradient.shape[-1:])
    else:
        state["exp_avg_sq"] = torch.zeros_like(gradient)
    if group["beta1"] is not None:
        state["exp_avg"] = torch.zeros_like(gradient)


def _rate(group: dict[str, Any], step: int, scale: Tensor) -> Tensor | float:
    rate = group["lr"]
    if group["relative_step"]:
        most = 1e-6 * step if group["warmup_init"] else 1e-2
        rate = min(most, step**-0.5)
    if group["scale_parameter"]:
        scaled: Tensor = scale.clamp(min=group["eps"][1]) * rate
        return scaled
    return float(rate)


def _scaled(gradient: Tensor, square: Tensor, state: dict[str, Any], keep: float) -> Tensor:
    """The gradient divided by its root mean square, which for matrices is estimated from those of rows and columns."""
    if gradient.dim() < 2:
        mean_square: Tensor = state["exp_avg_sq"].mul_(keep).add_(square, alpha=1 - keep)
        return gradient * mean_square.rsqrt()
    rows: Tensor = state["exp_avg_sq_row"].mul_(keep).add_(square.mean(dim=-1), alpha=1 - keep)  # (..., R)
    columns: Tensor = state["exp_avg_sq_col"].mul_(keep).add_(square.mean(dim=-2), alpha=1 - keep)  # (..., C)
    row_factor = (rows / rows.mean(dim=-1, keepdim=True)).rsqrt_().unsqueeze(-1)  # (..., R, 1)
    return gradient * row_factor * columns.unsqueeze(-2).rsqrt()  # (..., R, C)


def _root_mean_square(tensor: Tensor) -> Tensor:
    mean_square: Tensor = tensor.square().mean()
    return mean_square.sqrt()
