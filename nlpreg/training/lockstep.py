"""Keeping the processes of a distributed run in step: they end an epoch together and stop together."""

from __future__ import annotations

from typing import Any, Union

import torch
from torch import distributed as dist


class Alone:
    """The lockstep of a single process: it agrees with itself."""

    def agree(self, num_batches: int, wants_stop: bool) -> tuple[int, bool]:
        """What it says itself."""
        return num_batches, wants_stop

    def barrier(self) -> None:
        """Nothing to wait for."""

    def gather(self, state: dict[str, Any]) -> list[dict[str, Any]] | None:
        """The one state there is."""
        return [state]

    def rank_and_size(self) -> tuple[int, int]:
        """The first of one."""
        return 0, 1


class Together:
    """The lockstep of several processes.

    They talk through a gloo group of their own where the group of the run is one of GPUs, so that agreeing never
    waits for a GPU.
    """

    def __init__(self) -> None:
        self._group = dist.new_group(backend="gloo") if dist.get_backend() != "gloo" else None

    def agree(self, num_batches: int, wants_stop: bool) -> tuple[int, bool]:
        """Settle how many batches the next step has, and whether to stop.

        Args:
            num_batches: how many this process has.
            wants_stop: whether this process was asked to end.

        Returns:
            How many every process has, and whether any was asked to end.
        """
        message = torch.tensor([num_batches, -int(wants_stop)])
        dist.all_reduce(message, op=dist.ReduceOp.MIN, group=self._group)
        least, stop = message.tolist()
        return int(least), bool(stop)

    def barrier(self) -> None:
        """Wait for the other processes."""
        dist.barrier(group=self._group)

    def gather(self, state: dict[str, Any]) -> list[dict[str, Any]] | None:
        """The states of all processes in the order of ranks, in the first; None in the others."""
        rank, size = self.rank_and_size()
        states: list[Any] | None = [None] * size if rank == 0 else None
        dist.gather_object(state, states, dst=0, group=self._group)
        return states

    def rank_and_size(self) -> tuple[int, int]:
        """Number of this process, and of all."""
        return dist.get_rank(), dist.get_world_size()


Lockstep = Union[Alone, Together]


def make_lockstep(distributed: bool) -> Lockstep:
    """The lockstep of this process."""
    return Together() if distributed else Alone()
