"""Adam for models with both dense and sparse gradients."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from nlpreg.common.checks import check_at_least
from nlpreg.training.optimizers.optimizer import (
    Optimizer,
    ParameterGroupsType,
    evaluate,
    make_parameter_groups,
)
from nlpreg.training.protocols import NamedParameters


class PlainAdam(Optimizer):
    """Base class of variants of Adam that add `eps` to the denominator before the bias correction.

    Where a gradient is sparse, only the rows with a gradient are updated. Parameter groups may have the options
    `correct_bias`, by default true, and `weight_decay`, which is applied after the step.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients."""
        loss = evaluate(closure)
        for group in self.param_groups:
            # parameters that were frozen for a while have had fewer steps
            by_step: dict[int, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
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
        """Update parameters that have had the same number of steps."""
        (beta1, beta2), rate = group["betas"], group["lr"]
        if group.get("correct_bias", True):
            rate *= (1 - beta2**step) ** 0.5 / (1 - beta1**step)
        dense, gradients = [], []
        for parameter in parameters:
            gradient = parameter.grad
            assert gradient is not None
            if gradient.is_sparse:
                self._update_rows(parameter, gradient.coalesce(), group, rate)
            else:
                dense.append(parameter)
                gradients.append(gradient)
        if not dense:
            return
        means = [self.state[parameter]["exp_avg"] for parameter in dense]
        squares = [self.state[parameter]["exp_avg_sq"] for parameter in dense]
        adam(
            dense,
            gradients,
            means,
            squares,
            max_exp_avg_sqs=[],
            # `rate` has the bias correction, and after so many steps torch's own is exactly 1
            state_steps=[torch.tensor(torch.inf)] * len(dense),
            foreach=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=rate,
            weight_decay=0.0,
            eps=group["eps"],
            maximize=False,
        )
        if group.get("weight_decay"):
            torch._foreach_mul_(dense, 1 - group["lr"] * group["weight_decay"])

    def _update_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any], rate: float) -> None:
        state, (beta1, beta2) = self.state[parameter], group["betas"]
        rows = gradient.indices().unbind(0)  # one index tensor for each sparse dimension
        values = gradient.values()
        mean = state["exp_avg"][rows].lerp_(values, 1 - beta1)
        square = state["exp_avg_sq"][rows].mul_(beta2).addcmul_(values, values, value=1 - beta2)
        state["exp_avg"].index_put_(rows, mean)
        state["exp_avg_sq"].index_put_(rows, square)
        update = mean.div(square.sqrt_().add_(group["eps"])).mul_(-rate)
        parameter.index_put_(rows, update, accumulate=True)


@Optimizer.register("dense_sparse_adam")
class DenseSparseAdam(PlainAdam):
    """Adam without weight decay; for a parameter with a sparse gradient, only the rows with a gradient are updated.

    This is for models with large embeddings of which a batch uses few rows. The bias correction of a row depends on the
    number of steps of its parameter, not on those in which the row had a gradient.

    Args:
        model_parameters: pairs of name and parameter; given by the trainer.
        parameter_groups: groups with options of their own, see `make_parameter_groups`.
        lr: learning rate.
        betas: decay rates, from 0 to 1, of the running means of the gradient and of its square.
        eps: added to the denominator.

    Raises:
        ValueError: `lr` or `eps` is negative, or one of `betas` is not in [0, 1).

    Source: Kingma and Ba (2015), the efficient form of section 2, https://arxiv.org/abs/1412.6980
    """

    def __init__(
        self,
        model_parameters: NamedParameters,
        parameter_groups: ParameterGroupsType | None = None,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        check_at_least(0, lr=lr, eps=eps)
        for beta in betas:
            if not 0 <= beta < 1:
                raise ValueError(f"optimizer.betas: expected numbers from 0 to below 1, got {list(betas)}")
        groups = make_parameter_groups(model_parameters, parameter_groups)
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps})
