"""Moving nested structures between devices, and sums over the processes of a distributed run."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from nlpreg.common.util import int_to_device, is_distributed

T = TypeVar("T")
Number = TypeVar("Number", int, float, Tensor)


def move_to_device(obj: T, device: torch.device | int) -> T:
    """Move every tensor inside a structure to a device.

    Dicts and lists are changed in place, tuples and named tuples are copied, anything else is left unchanged.

    Args:
        obj: the structure.
        device: a device, or the index of a GPU; a negative index is the CPU.
    """
    target = int_to_device(device)
    # Copies to a GPU may overlap with computation; copies to the CPU must be complete before they are read.
    non_blocking = target.type == "cuda"

    def move(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value if value.device == target else value.to(target, non_blocking=non_blocking)
        if isinstance(value, dict):
            for key, item in value.items():
                value[key] = move(item)
            return value
        if isinstance(value, list):
            value[:] = [item if type(item) is str else move(item) for item in value]  # most are words
            return value
        if isinstance(value, tuple):
            items = [move(item) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        return value

    moved: T = move(obj)
    return moved


def map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A copy of nested containers with `change` applied to every tensor."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: map_tensors(item, change) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(item, change) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(map_tensors(item, change) for item in value)
    return value


def get_device_of(tensor: Tensor) -> int:
    """The index of a tensor's GPU, or -1 for the CPU."""
    return tensor.get_device() if tensor.is_cuda else -1


def device_mapping(cuda_device: int) -> Callable[[Any, Any], Any]:
    """A `map_location` for `torch.load` that puts everything on one device.

    Args:
        cuda_device: the index of a GPU; a negative index is the CPU.
    """

    def relocate(storage: Any, location: Any) -> Any:
        return storage.cuda(cuda_device) if cuda_device >= 0 else storage

    return relocate


def distributed_device() -> torch.device:
    """The device on which the tensors of collective operations must lie.

    Raises:
        RuntimeError: no process group is initialised.
    """
    if not is_distributed():
        raise RuntimeError("distributed_device() needs an initialised process group (torch.distributed)")
    return (
        torch.device("cuda", torch.cuda.current_device())
        if dist.get_backend() == "nccl"
        else torch.device("cpu")
    )


def dist_reduce(value: Number, reduce_op: Any) -> Number:
    """Reduce a value over all processes, so that each has the result; outside a distributed run, the value itself.

    Args:
        value: a number or a tensor; a tensor comes back on its own device.
        reduce_op: a `torch.distributed.ReduceOp`.

    Returns:
        The reduced value, of the kind that was given.
    """
    if not is_distributed():
        return value
    device = distributed_device()
    if isinstance(value, Tensor):
        reduced = value.detach().to(device, copy=True)
        dist.all_reduce(reduced, op=reduce_op)
        return reduced.to(value.device)
    # Double precision holds every count that occurs exactly.
    total = torch.tensor(value, dtype=torch.int64 if isinstance(value, int) else torch.float64, device=device)
    dist.all_reduce(total, op=reduce_op)
    return type(value)(total.item())


def dist_reduce_sum(value: Number) -> Number:
    """Sum a value over all processes; outside a distributed run, the value itself."""
    return dist_reduce(value, dist.ReduceOp.SUM) if is_distributed() else value
