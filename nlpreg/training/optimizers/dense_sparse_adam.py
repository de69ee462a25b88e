"""Adam for models with both dense and sparse gradients."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nlpreg.training.optimizers.optimizer import (
    Optimizer,
    ParameterGroupsType,
    evaluate,
    make_parameter_groups,
)
from nlpreg.training.protocols import NamedParameters


@Optimizer.register("dense_sparse_adam")
class DenseSparseAdam(Optimizer):
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
        for name, number in (("lr", lr), ("eps", eps)):
            if number < 0:
                raise ValueError(f"optimizer.{name}: expected at least 0, got {number}")
        for beta in betas:
            if not 0 <= beta < 1:
                raise ValueError(f"optimizer.betas: expected numbers from 0 to below 1, got {list(betas)}")
        groups = make_parameter_groups(model_parameters, parameter_groups)
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients."""
        loss = evaluate(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        correction: float = (1 - beta2 ** state["step"]) ** 0.5 / (1 - beta1 ** state["step"])
        gradient = parameter.grad
        assert gradient is not None
        moments = (state["exp_avg"], state["exp_avg_sq"])
        update = _update_sparse if gradient.is_sparse else _update_dense
        update(parameter, gradient, moments, (beta1, beta2), group["eps"], group["lr"] * correction)


def _update_dense(
    parameter: Tensor,
    gradient: Tensor,
    moments: tuple[Tensor, Tensor],
    betas: tuple[float, float],
    eps: float,
    rate: float,
) -> None:
    mean, square = moments
    mean.lerp_(gradient, 1 - betas[0])
    square.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
    parameter.addcdiv_(mean, square.sqrt().add_(eps), value=-rate)


def _update_sparse(
    parameter: Tensor,
    gradient: Tensor,
    moments: tuple[Tensor, Tensor],
    betas: tuple[float, float],
    eps: float,
    rate: float,
) -> None:
    gradient = gradient.coalesce()
    rows = gradient.indices().unbind(0)  # one index tensor for each sparse dimension
    values = gradient.values()
    mean = moments[0][rows].lerp_(values, 1 - betas[0])
    square = moments[1][rows].mul_(betas[1]).addcmul_(values, values, value=1 - betas[1])
    moments[0].index_put_(rows, mean)
    moments[1].index_put_(rows, square)
    parameter.index_put_(rows, mean.div(square.sqrt_().add_(eps)).mul_(-rate), accumulate=True)
