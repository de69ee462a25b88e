"""States of sharded models as whole tensors, which is how checkpoints hold them, and back again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

# torch's modules for sharding take half a second to import, so they are imported by the functions that need them.

_MARK = "__spread__"  # in files of version 1: stands for a sharded tensor


def gather_shards(state: Any, keep: bool) -> Any:
    """A state with every sharded tensor whole, on the CPU; all processes call this together.

    One tensor after the other is gathered, so the device needs room for the largest only.

    Args:
        state: dicts, lists and tuples of plain values and tensors, some of them `DTensor`s.
        keep: whether this process wants the result; the others take part and get empty tensors.
    """
    from torch.distributed.tensor import DTensor

    def whole(value: Any) -> Any:
        if not isinstance(value, DTensor):
            return value
        full: Tensor = value.full_tensor()
        return full.cpu() if keep else full.new_empty(0)

    return _map_leaves(state, whole)


def shard_like(tensor: Tensor, reference: Tensor) -> Tensor:
    """A whole tensor, the same in all processes, sharded as another one of its shape is.

    Args:
        tensor: on the CPU, or sharded already.
        reference: the tensor itself is returned unless this is a `DTensor` of the same shape.
    """
    # asked by name, because the class of such tensors takes long to import
    if not hasattr(reference, "device_mesh") or hasattr(tensor, "device_mesh"):
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(reference, DTensor) or tensor.shape != reference.shape:
        return tensor
    return distribute_tensor(tensor.to(reference.device), reference.device_mesh, reference.placements)


def shard_optimizer_state(optimizer: Any, state: dict[str, Any]) -> dict[str, Any]:
    """The state of an optimizer with its whole tensors sharded as the parameters are to which they belong.

    Args:
        optimizer: of the sharded model; a `MultiOptimizer` has a state for each of those inside.
        state: as `gather_shards` made it, the same in all processes.
    """
    inner = getattr(optimizer, "optimizers", None)
    if inner is not None:
        return {
            name: shard_optimizer_state(inner[name.removesuffix("_optimizer")], part)
            for name, part in state.items()
        }
    numbers = [number for group in state["param_groups"] for number in group["params"]]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    sharded = dict(state["state"])
    for number, parameter in zip(numbers, parameters, strict=False):
        if number in sharded:
            sharded[number] = {
                name: shard_like(value, parameter) if isinstance(value, Tensor) else value
                for name, value in sharded[number].items()
            }
    return {**state, "state": sharded}


def whole_state(parts: Sequence[dict[str, Any]]) -> Any:
    """The state that processes saved in parts, as nlpreg did before it gathered sharded tensors.

    Args:
        parts: one for each process: `state`, with a mark in place of each sharded tensor, and `spread`, the chunks of
            these tensors that the process held, each with its `offsets` in the whole.
    """

    def put_in(value: Any) -> Any:
        if not _is_mark(value):
            return value
        whole = torch.empty(value["size"], dtype=value["dtype"])
        for part in parts:
            for chunk in part["spread"].get(value[_MARK], ()):
                tensor = chunk["tensor"]
                ranges = zip(chunk["offsets"], tensor.size(), strict=True)
                whole[tuple(slice(start, start + length) for start, length in ranges)] = tensor
        return whole

    return _map_leaves(parts[0]["state"], put_in)


def _is_mark(value: Any) -> bool:
    return isinstance(value, dict) and _MARK in value


def _map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same containers with every leaf, or mark of a sharded tensor, changed."""
    if isinstance(value, dict) and not _is_mark(value):
        return {key: _map_leaves(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_map_leaves(item, change) for item in value)
    return change(value)
