"""States with tensors that are spread over processes: each saves its part, and any number of processes load them.

What a process saves is a dict of plain values and tensors: `state`, in which each spread tensor is left out; `spread`,
the chunks of these tensors that this process holds; `num_parts`, the number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

# torch's modules for sharding take half a second to import, so they are imported by the functions that need them.

_MARK = "__spread__"


def part_of_state(state: Any, group: dist.ProcessGroup | None = None) -> dict[str, Any]:
    """What this process saves of a state; all processes call this.

    Args:
        state: dicts, lists and tuples of plain values and tensors, some of them `DTensor`s.
        group: the processes; all if None.
    """
    from torch.distributed.checkpoint.state_dict_saver import save
    from torch.distributed.tensor import DTensor, Shard

    from nlpreg.nn.parallel.chunk_storage import ChunkWriter

    spread: dict[str, Any] = {}

    def take_out(value: Any, path: str) -> Any:
        if not isinstance(value, DTensor):
            return value
        dims = [placement.dim if isinstance(placement, Shard) else None for placement in value.placements]
        spread[path] = value
        return {_MARK: path, "size": list(value.size()), "dtype": value.dtype, "dims": dims}

    rest = _map_leaves(state, take_out)
    writer = ChunkWriter()
    if spread:
        save(spread, storage_writer=writer, process_group=group)
    return {"state": rest, "spread": writer.chunks, "num_parts": dist.get_world_size(group)}


def whole_state(parts: Sequence[dict[str, Any]]) -> Any:
    """The state of which these are all parts, with whole tensors."""

    def put_in(value: Any, path: str) -> Any:
        if not _is_mark(value):
            return value
        whole = torch.empty(value["size"], dtype=value["dtype"])
        for part in parts:
            for chunk in part["spread"].get(value[_MARK], ()):
                tensor = chunk["tensor"]
                places = zip(chunk["offsets"], tensor.size(), strict=True)
                whole[tuple(slice(start, start + length) for start, length in places)] = tensor
        return whole

    return _map_leaves(parts[0]["state"], put_in)


def spread_state(
    state: Any,
    parts: Sequence[dict[str, Any]],
    model: torch.nn.Module,
    group: dist.ProcessGroup | None = None,
) -> Any:
    """A state with its tensors spread over the processes of now, however many saved it; all processes call this.

    Args:
        state: the `state` of one of the parts, that of this process or a like one.
        parts: all parts.
        model: a sharded model, whose processes and device are those of the tensors.
        group: the processes; all if None.
    """
    from torch.distributed.checkpoint.state_dict_loader import load
    from torch.distributed.tensor import DTensor, Replicate, Shard, empty

    from nlpreg.nn.parallel.chunk_storage import ChunkReader

    mesh = next(p.device_mesh for p in model.parameters() if isinstance(p, DTensor))
    spread: dict[str, Tensor] = {}
    sizes: dict[str, list[int]] = {}

    def put_in(value: Any, path: str) -> Any:
        if not _is_mark(value):
            return value
        name = value[_MARK]
        placements = [Replicate() if dim is None else Shard(dim) for dim in value["dims"]]
        sizes[name] = value["size"]
        spread[name] = empty(value["size"], dtype=value["dtype"], device_mesh=mesh, placements=placements)
        return spread[name]

    result = _map_leaves(state, put_in)
    if spread:
        reader = ChunkReader(sizes, [part["spread"] for part in parts])
        load(spread, storage_reader=reader, process_group=group)
    return result


def _is_mark(value: Any) -> bool:
    return isinstance(value, dict) and _MARK in value


def _map_leaves(value: Any, change: Callable[[Any, str], Any], path: str = "") -> Any:
    """The same containers with every leaf, or mark of a spread tensor, changed."""
    if isinstance(value, dict) and not _is_mark(value):
        return {key: _map_leaves(item, change, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_map_leaves(item, change, f"{path}.{number}") for number, item in enumerate(value))
    return change(value, path)
