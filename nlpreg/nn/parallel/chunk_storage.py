"""The storage of `torch.distributed.checkpoint` in plain containers, so that no pickled object is ever read.

torch's own storage keeps what it needs to know of a checkpoint in a pickle file, which may run code when it is loaded.
Here each process gets its chunks of all tensors in one dict, to be saved and loaded like any weights.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner, SavePlan, SavePlanner
from torch.distributed.checkpoint.storage import StorageReader, StorageWriter, WriteResult
from torch.futures import Future

Chunks = dict[str, list[dict[str, Any]]]
"""For each name of a tensor, the chunks that are there: `offsets` in the whole tensor, and the `tensor` itself."""


class ChunkWriter(StorageWriter):
    """Gathers the chunks that this process is to save in `chunks`."""

    def __init__(self) -> None:
        self.chunks: Chunks = {}

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Forget what was gathered."""
        self.chunks = {}

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Nothing to set up."""

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """The plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """The plans as they are."""
        return plans

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Gather the chunks of a plan, on the CPU."""
        results = []
        for item in plan.items:
            tensor = planner.resolve_data(item)
            assert isinstance(tensor, Tensor) and item.tensor_data is not None
            offsets = list(item.tensor_data.chunk.offsets)
            chunk = {"offsets": offsets, "tensor": tensor.detach().cpu().contiguous()}
            self.chunks.setdefault(item.index.fqn, []).append(chunk)
            results.append(WriteResult(item.index, tensor.nbytes, None))
        done: Future[list[WriteResult]] = Future()
        done.set_result(results)
        return done

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """Nothing more to write."""

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """There are no names of checkpoints."""
        return False


class ChunkReader(StorageReader):
    """Gives parts of the chunks that all processes saved.

    Args:
        sizes: size of each whole tensor by name.
        chunks: what each process saved.
    """

    def __init__(self, sizes: Mapping[str, Sequence[int]], chunks: Sequence[Chunks]) -> None:
        self._sizes = sizes
        self._chunks: dict[str, dict[tuple[int, ...], Tensor]] = {name: {} for name in sizes}
        for of_process in chunks:
            for name, found in of_process.items():
                self._chunks[name].update({tuple(chunk["offsets"]): chunk["tensor"] for chunk in found})

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Nothing to forget."""

    def read_metadata(self) -> Metadata:
        """Where the chunks lie in the whole tensors."""
        tensors: dict[str, Any] = {}
        for name, chunks in self._chunks.items():
            tensors[name] = TensorStorageMetadata(
                TensorProperties(dtype=next(iter(chunks.values())).dtype),
                torch.Size(self._sizes[name]),
                [ChunkStorageMetadata(torch.Size(place), chunk.size()) for place, chunk in chunks.items()],
            )
        return Metadata(tensors)

    def set_up_storage_reader(self, metadata: Metadata, is_coordinator: bool) -> None:
        """Nothing to set up."""

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """The plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """The plans as they are."""
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Copy parts of chunks to where a plan wants them."""
        for item in plan.items:
            assert item.storage_index.offset is not None
            part = self._chunks[item.storage_index.fqn][tuple(item.storage_index.offset)]
            for dim, (start, length) in enumerate(zip(item.storage_offsets, item.lengths, strict=True)):
                part = part.narrow(dim, start, length)
            target = planner.resolve_tensor(item).detach()
            target.copy_(part)
            planner.commit_tensor(item, target)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """There are no names of checkpoints."""
        return False
