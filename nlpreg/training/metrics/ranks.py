"""What the metrics of several ranks of a distributed run add up to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch import distributed as dist

_local_only: ContextVar[bool] = ContextVar("metrics_of_this_rank_only", default=False)


@contextmanager
def local_metrics() -> Iterator[None]:
    """Inside this context `get_metric` reads this rank's share alone and talks to no other rank.

    `get_metric` is otherwise a collective call of a distributed run: all ranks have to make it. A progress bar that
    only one rank draws reads its numbers in here.
    """
    token = _local_only.set(True)
    try:
        yield
    finally:
        _local_only.reset(token)


def several_ranks() -> bool:
    """Whether the numbers of other ranks have to be asked for."""
    if _local_only.get() or not (dist.is_available() and dist.is_initialized()):
        return False
    return dist.get_world_size() > 1


def _collective_device() -> torch.device:
    if dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def sum_over_ranks(*parts: Tensor) -> list[Tensor]:
    """Add up the tensors of all ranks, in one transfer.

    Args:
        parts: tensors of numbers; a rank's n-th tensor has the same shape as every other rank's n-th.

    Returns:
        The sums, float64 on CPU, one for each of `parts`; just copies when there is one rank.
    """
    device = next((part.device for part in parts if part.device.type != "cpu"), torch.device("cpu"))
    wide = torch.float32 if device.type == "mps" else torch.float64
    flat = torch.cat([part.detach().reshape(-1).to(device=device, dtype=wide) for part in parts])
    if several_ranks():
        flat = flat.to(_collective_device())
        dist.all_reduce(flat)
    flat = flat.cpu().double()
    pieces = torch.split(flat, [part.numel() for part in parts])
    return [piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True)]


def gather_over_ranks(part: Tensor) -> list[Tensor]:
    """The tensors of all ranks, in the order of ranks, on CPU, as float64 or uint8.

    Args:
        part: numbers, or bytes on all ranks; its size may differ from rank to rank in the first dimension only.
    """
    part = part.detach()
    # a rank that saw no batch may hold its numbers in another type
    dtype = part.dtype if part.dtype == torch.uint8 else torch.float64
    if not several_ranks():
        return [part.cpu().to(dtype)]
    part = part.to(device=_collective_device(), dtype=dtype).contiguous()
    ranks = dist.get_world_size()
    sizes = [torch.zeros(1, dtype=torch.long, device=part.device) for _ in range(ranks)]
    dist.all_gather(sizes, torch.tensor([part.size(0)], device=part.device))
    lengths = [int(size) for size in sizes]
    padded = part.new_zeros((max(lengths), *part.shape[1:]))
    padded[: part.size(0)] = part
    received = [torch.empty_like(padded) for _ in range(ranks)]
    dist.all_gather(received, padded)
    return [tensor[:length].cpu() for tensor, length in zip(received, lengths, strict=True)]
