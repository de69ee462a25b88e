"""Gradients: computed in full or in mixed precision, measured and clipped; dense, sparse and sharded ones."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationError

HalfDtype = Literal["bfloat16", "float16"]


class Precision:
    """Runs the forward pass in half precision if requested, and scales float16 losses against underflow.

    Args:
        device: where the model is.
        use_amp: whether to use half precision at all.
        dtype: which one; by default float16 on GPUs and bfloat16 on CPUs.
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
            # what oneDNN says of layers, recurrent ones for example, that the processor has no instructions for
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
        """Bring the gradients back to their true size, once a step."""
        if self.scaler is not None and not self._is_unscaled:
            self.scaler.unscale_(optimizer)
            self._is_unscaled = True

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the parameters; with a scaler, unless a gradient overflowed."""
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


def _gradients_of(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """The gradients that exist."""
    return [p.grad for p in parameters if p.grad is not None]


def _dense_parts(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """The gradients, and the values of sparse ones; changing these in place changes the gradients."""
    parts = []
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is None:
            continue
        if gradient.is_sparse:
            # a row may occur several times, so that only after coalescing each value is an element of the gradient
            gradient = parameter.grad = gradient.coalesce()
            gradient = gradient._values()
        parts.append(local_part(gradient.detach()))
    return parts


def local_part(tensor: Tensor) -> Tensor:
    """The tensor itself or, of a sharded tensor, the local shard, which shares its memory."""
    # checked by attribute, because importing `DTensor` takes half a second
    to_local: Callable[[], Tensor] | None = getattr(tensor, "to_local", None)
    return tensor if to_local is None else to_local()


@torch.no_grad()
def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """The 2-norm over all gradients, as a 0-d tensor on their device."""
    return _total_norm(_dense_parts(parameters))


@torch.no_grad()
def clip_gradient_norm(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scale all gradients down so that their common 2-norm is at most `max_norm`.

    Returns:
        The norm before, as a 0-d tensor; nothing waits for the device.
    """
    parts = _dense_parts(parameters)
    norm = _total_norm(parts)
    if norm.device.type == "cpu":  # reading the norm costs nothing here, and saves a multiplication by 1
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
        torch._foreach_clamp_min_(parts, -limit)
        torch._foreach_clamp_max_(parts, limit)


@torch.no_grad()
def scale_gradients(parameters: Iterable[nn.Parameter], factor: Tensor) -> None:
    """Multiply all gradients by a 0-d tensor."""
    _scale_all([g._values() if g.is_sparse else local_part(g) for g in _gradients_of(parameters)], factor)


def _scale_all(tensors: list[Tensor], factor: Tensor) -> None:
    """Multiply tensors in place by a 0-d tensor."""
    by_place: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for tensor in tensors:
        by_place.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    for (device, dtype), group in by_place.items():
        torch._foreach_mul_(group, factor.to(device=device, dtype=dtype))


def _total_norm(parts: list[Tensor]) -> Tensor:
    if not parts:
        return torch.zeros(())
    # the norm of the norms is the norm of all elements, and needs no copy of the gradients
    norms = torch.stack([norm.to(parts[0]) for norm in torch._foreach_norm(parts)])
    total: Tensor = torch.linalg.vector_norm(norms)
    return total
