"""Keeping the processes of a distributed run in step: they end an epoch together and stop together."""

from __future__ import annotations

from typing import Any, Union

import torch
from torch import distributed as dist


class Alone:
    """The lockstep of a single process: it agrees with itself."""

    group: dist.ProcessGroup | None = None

    def agree(self, num_batches: int, wants_stop: bool) -> tuple[int, bool]:
        """What it says itself."""
        return num_batches, wants_stop

    def barrier(self) -> None:
        """Nothing to wait for."""

    def gather(self, state: dict[str, Any]) -> list[dict[str, Any]] | None:
        """The one state there is."""
        return [state]

    def gather_everywhere(self, value: Any) -> list[Any]:
        """The one value there is."""
        return [value]

    def broadcast(self, value: Any) -> Any:
        """The value itself."""
        return value

    def rank_and_size(self) -> tuple[int, int]:
        """The first of one."""
        return 0, 1


class Together:
    """The lockstep of several processes.

    They talk through a gloo group of their own where the group of the run is one of GPUs, so that agreeing never
    waits for a GPU.
    """

    def __init__(self) -> None:
        self.group = dist.new_group(backend="gloo") if dist.get_backend() != "gloo" else None

    def agree(self, num_batches: int, wants_stop: bool) -> tuple[int, bool]:
        """Settle how many batches the next step has, and whether to stop.

        Args:
            num_batches: how many this process has.
            wants_stop: whether this process was asked to end.

        Returns:
            How many every process has, and whether any was asked to end.
        """
        message = torch.tensor([num_batches, -int(wants_stop)])
        dist.all_reduce(message, op=dist.ReduceOp.MIN, group=self.group)
        least, stop = message.tolist()
        return int(least), bool(stop)

    def barrier(self) -> None:
        """Wait for the other processes."""
        dist.barrier(group=self.group)

    def gather(self, state: dict[str, Any]) -> list[dict[str, Any]] | None:
        """The states of all processes in the order of ranks, in the first; None in the others."""
        rank, size = self.rank_and_size()
        states: list[Any] | None = [None] * size if rank == 0 else None
        dist.gather_object(state, states, dst=0, group=self.group)
        return states

    def gather_everywhere(self, value: Any) -> list[Any]:
        """The values of all processes in the order of ranks, in each of them."""
        values: list[Any] = [None] * self.rank_and_size()[1]
        dist.all_gather_object(values, value, group=self.group)
        return values

    def broadcast(self, value: Any) -> Any:
        """The value of the first process, in all."""
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.group)
        return values[0]

    def rank_and_size(self) -> tuple[int, int]:
        """Number of this process, and of all."""
        return dist.get_rank(), dist.get_world_size()


Lockstep = Union[Alone, Together]


def make_lockstep(distributed: bool) -> Lockstep:
    """The lockstep of this process."""
    return Together() if distributed else Alone()
