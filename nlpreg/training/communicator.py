"""Communication between the processes of a run: agreement on batches and stop requests, gathering and broadcasting."""

from typing import Any, Union

import torch
from torch import distributed as dist


class SingleProcess:
    """The communicator of a run in a single process."""

    rank = 0
    size = 1
    device = torch.device("cpu")

    def agree(self, num_batches: int, wants_stop: bool) -> tuple[int, bool]:
        """Return the arguments."""
        return num_batches, wants_stop

    def barrier(self) -> None:
        """Do nothing."""

    def gather(self, state: Any) -> list[Any] | None:
        """The state of this process, in a list."""
        return [state]

    def all_gather(self, value: Any) -> list[Any]:
        """The value of this process, in a list."""
        return [value]

    def broadcast(self, value: Any) -> Any:
        """Return the value."""
        return value


class SeveralProcesses:
    """The communicator of several processes.

    If the process group of the run uses NCCL, an additional gloo group is created, so that `agree` never waits for a GPU.

    Attributes:
        rank: number of this process among all processes.
        size: number of processes.
        device: the device that tensors must be on for collective calls in the process group of the run.
    """

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.device = collective_device()
        # Pickled objects are sent through gloo; with NCCL each of them would be copied to the GPU.
        self._group = dist.new_group(backend="gloo") if dist.get_backend() != "gloo" else None

    def agree(self, num_batches: int, wants_stop: bool) -> tuple[int, bool]:
        """Agree on the number of batches of the next update, and on whether to stop.

        Args:
            num_batches: number of batches of this process.
            wants_stop: whether this process was asked to stop.

        Returns:
            The smallest number of batches, and whether any process was asked to stop.
        """
        # One call computes both: the minimum of the negated flags is -1 if any flag is set.
        message = torch.tensor([num_batches, -int(wants_stop)])
        dist.all_reduce(message, op=dist.ReduceOp.MIN, group=self._group)
        least, stop = message.tolist()
        return int(least), bool(stop)

    def barrier(self) -> None:
        """Wait for the other processes."""
        dist.barrier(group=self._group)

    def gather(self, state: Any) -> list[Any] | None:
        """The states of all processes in the order of ranks, in the first process; None in the others."""
        states: list[Any] | None = [None] * self.size if self.rank == 0 else None
        dist.gather_object(state, states, dst=0, group=self._group)
        return states

    def all_gather(self, value: Any) -> list[Any]:
        """The values of all processes in the order of ranks, in each of them."""
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self._group)
        return values

    def broadcast(self, value: Any) -> Any:
        """The value of the first process, in all."""
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self._group)
        return values[0]


def collective_device() -> torch.device:
    """The device that tensors must be on for collective calls in the process group of the run."""
    if dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


Communicator = Union[SingleProcess, SeveralProcesses]


def make_communicator(distributed: bool) -> Communicator:
    """The communicator of this process."""
    return SeveralProcesses() if distributed else SingleProcess()
