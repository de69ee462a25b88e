"""Gradients: full and mixed precision, norms, clipping and scaling, for dense, sparse and sharded gradients."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationError

HalfDtype = Literal["bfloat16", "float16"]


class Precision:
    """Runs the forward pass in half precision if requested, and scales float16 losses to avoid underflow.

    Args:
        device: the device of the model.
        use_amp: whether to use half precision.
        dtype: the half precision format; by default float16 on GPUs and bfloat16 on CPUs.
        scaler: scales the loss; None with bfloat16, whose range needs no scaling.
    """

    def __init__(
        self,
        device: torch.device,
        use_amp: bool,
        dtype: HalfDtype | None = None,
        scaler: torch.amp.GradScaler | None = None,
    ) -> None:
        self.device_type = device.type
        self.use_amp = use_amp
        self.dtype = half_dtype(device, dtype)
        self.scaler = scaler
        self._is_unscaled = False

    def autocast(self) -> AbstractContextManager[Any]:
        """The context of a forward pass.

        Raises:
            ConfigurationError: at the end of the block, this processor cannot compute a layer in this format.
        """
        if not self.use_amp:
            return nullcontext()
        return self._half_precision()

    @contextmanager
    def _half_precision(self) -> Iterator[None]:
        try:
            with torch.autocast(self.device_type, dtype=self.dtype):
                yield
        except RuntimeError as error:
            # the message of oneDNN for layers, such as recurrent ones, that the processor has no instructions for
            if self.device_type != "cpu" or "could not create a primitive" not in str(error):
                raise
            name = str(self.dtype).removeprefix("torch.")
            raise ConfigurationError(
                f"trainer.amp_dtype: this processor cannot compute all layers of the model in {name}; set it to "
                + (
                    '"bfloat16", or leave use_amp out'
                    if self.dtype == torch.float16
                    else "null, or leave use_amp out"
                )
            ) from error

    def backward(self, loss: Tensor) -> None:
        """Compute gradients, scaled if there is a scaler."""
        loss = loss if self.scaler is None else self.scaler.scale(loss)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotations here
        self._is_unscaled = False

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients by the loss scale, at most once per step."""
        if self.scaler is not None and not self._is_unscaled:
            self.scaler.unscale_(optimizer)
            self._is_unscaled = True

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the parameters; a scaler skips the update if a gradient overflowed."""
        if self.scaler is None:
            optimizer.step()
            return
        self.scaler.step(optimizer)
        self.scaler.update()
        self._is_unscaled = False


def half_dtype(device: torch.device, dtype: HalfDtype | None) -> torch.dtype:
    """The half precision type to use on a device."""
    if dtype is None:
        return torch.bfloat16 if device.type == "cpu" else torch.float16
    return torch.bfloat16 if dtype == "bfloat16" else torch.float16


def _dense_parts(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """The gradients, and the values of sparse ones; changing these tensors in place changes the gradients."""
    parts = []
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is None:
            continue
        if gradient.is_sparse:
            # an uncoalesced gradient may have several values for one element
            gradient = parameter.grad = gradient.coalesce()
            # shares memory with the gradient, also under autograd, since it has no graph
            gradient = gradient.values()
        parts.append(local_part(gradient.detach()))
    return parts


def local_part(tensor: Tensor) -> Tensor:
    """The local shard of a sharded tensor, which shares its memory; any other tensor itself."""
    # recognized by the attribute, because importing `DTensor` takes half a second
    to_local: Callable[[], Tensor] | None = getattr(tensor, "to_local", None)
    return tensor if to_local is None else to_local()


@torch.no_grad()
def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """The 2-norm of all gradients together, as a 0-d tensor on their device."""
    return _total_norm(_dense_parts(parameters))


@torch.no_grad()
def clip_gradient_norm(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scale all gradients down so that their common 2-norm is at most `max_norm`, without synchronizing with a GPU.

    Returns:
        The norm before scaling, as a 0-d tensor.
    """
    parts = _dense_parts(parameters)
    norm = _total_norm(parts)
    if norm.device.type == "cpu":  # reading the norm is free here, and avoids a multiplication by 1
        factor = max_norm / (float(norm) + 1e-6)
        if not factor >= 1.0:  # also true if the norm is NaN
            torch._foreach_mul_(parts, factor)
    else:  # comparing with `max_norm` would synchronize with the device
        _scale_all(parts, (max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


@torch.no_grad()
def clip_gradient_values(parameters: Iterable[nn.Parameter], limit: float) -> None:
    """Clip each element of each gradient to [-limit, limit]."""
    parts = _dense_parts(parameters)
    if parts:
        # all tensors at once, as in `torch.nn.utils.clip_grad_value_`
        torch._foreach_clamp_min_(parts, -limit)
        torch._foreach_clamp_max_(parts, limit)


@torch.no_grad()
def scale_gradients(parameters: Iterable[nn.Parameter], factor: Tensor) -> None:
    """Multiply all gradients by a 0-d tensor."""
    _scale_all(_dense_parts(parameters), factor)


def _scale_all(tensors: list[Tensor], factor: Tensor) -> None:
    """Multiply tensors in place by a 0-d tensor."""
    groups: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    for (device, dtype), group in groups.items():
        torch._foreach_mul_(group, factor.to(device=device, dtype=dtype))


def _total_norm(parts: list[Tensor]) -> Tensor:
    if not parts:
        return torch.zeros(())
    # The norm of the norms is the norm of all elements. `torch.nn.utils.get_total_norm` computes the same, but takes 10 µs
    # more, which is a few percent of a step of a small model.
    norms = torch.stack([norm.to(parts[0]) for norm in torch._foreach_norm(parts)])
    total: Tensor = torch.linalg.vector_norm(norms)
    return total
