"""Gradients: their norm, clipping by norm and by value; dense and sparse ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def gradients_of(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """The gradients that exist."""
    return [p.grad for p in parameters if p.grad is not None]


def _dense_parts(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """The gradients, of sparse ones their values; changing these changes the gradients."""
    parts = []
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is None:
            continue
        if gradient.is_sparse:
            gradient = parameter.grad = gradient.coalesce()
            gradient = gradient._values()
        parts.append(local_part(gradient.detach()))
    return parts


def local_part(tensor: Tensor) -> Tensor:
    """The tensor itself; of one that is spread over processes, the part that is here, which shares its memory."""
    # asked by name, because the class of such tensors takes long to import
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
    if norm.device.type == "cpu":
        factor = max_norm / (float(norm) + 1e-6)
        if not factor >= 1.0:  # nor is NaN
            torch._foreach_mul_(parts, factor)
    else:  # asking whether gradients are small enough would wait for the device
        scale_all(parts, (max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


@torch.no_grad()
def clip_gradient_values(parameters: Iterable[nn.Parameter], limit: float) -> None:
    """Bring each element of each gradient into [-limit, limit]."""
    parts = _dense_parts(parameters)
    if parts:
        torch._foreach_clamp_min_(parts, -limit)
        torch._foreach_clamp_max_(parts, limit)


@torch.no_grad()
def scale_gradients(parameters: Iterable[nn.Parameter], factor: Tensor) -> None:
    """Multiply all gradients by a 0-d tensor."""
    scale_all([g._values() if g.is_sparse else local_part(g) for g in gradients_of(parameters)], factor)


def scale_all(tensors: list[Tensor], factor: Tensor) -> None:
    """Multiply tensors in place by a 0-d tensor."""
    by_place: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for tensor in tensors:
        by_place.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    for (device, dtype), group in by_place.items():
        torch._foreach_mul_(group, factor.to(device=device, dtype=dtype))


def _total_norm(parts: list[Tensor]) -> Tensor:
    if not parts:
        return torch.zeros(())
    norms = torch.stack([norm.to(parts[0]) for norm in torch._foreach_norm(parts)])
    total: Tensor = torch.linalg.vector_norm(norms)
    return total
