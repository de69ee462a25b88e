"""Tests that run in several processes at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes

from nlpreg.common.checks import check_for_gpu
from nlpreg.common.util import find_open_port

__all__ = ["init_process", "run_distributed_test"]


def init_process(
    process_rank: int,
    world_size: int,
    distributed_device_ids: list[int],
    func: Callable[..., Any],
    func_args: tuple[Any, ...] | None = None,
    func_kwargs: dict[str, Any] | None = None,
    primary_addr: str = "127.0.0.1",
    primary_port: int = 29500,
) -> None:
    """Join a process group and call a function in it.

    Args:
        process_rank: this process.
        world_size: number of processes.
        distributed_device_ids: the device of each; -1 is the CPU.
        func: called with (rank, world size, device, *func_args, **func_kwargs).
        func_args: further positional arguments.
        func_kwargs: further keyword arguments.
        primary_addr: where the processes meet.
        primary_port: on which port.
    """
    device = distributed_device_ids[process_rank]
    backend = "gloo"
    if device >= 0:
        torch.cuda.set_device(device)
        backend = "nccl"
    else:
        torch.set_num_threads(1)  # several processes share this machine's cores
    dist.init_process_group(
        backend=backend,
        init_method=f"tcp://{primary_addr}:{primary_port}",
        world_size=world_size,
        rank=process_rank,
    )
    # After a failure the group is left to the end of the process: the others, who wait for this rank, would notice that
    # it is gone before this rank's error is seen, and theirs would be reported in its place.
    func(process_rank, world_size, device, *(func_args or ()), **(func_kwargs or {}))
    dist.barrier()
    dist.destroy_process_group()


def run_distributed_test(
    device_ids: list[int] | None = None, func: Callable[..., Any] | None = None, *args: Any, **kwargs: Any
) -> None:
    """Call a function in several processes that form a group.

    Args:
        device_ids: the device of each process; by default two on the CPU.
        func: called with (rank, world size, device, *args, **kwargs); must be importable by name.
        *args: further positional arguments.
        **kwargs: further keyword arguments; `start_method` ("fork" on the CPU, else "spawn") is taken out.

    Raises:
        ConfigurationError: a GPU that is asked for is not there.
        Exception: whatever `func` raised in any of the processes.
    """
    devices = [-1, -1] if device_ids is None else device_ids
    check_for_gpu(devices)
    start_method = kwargs.pop("start_method", "spawn" if any(device >= 0 for device in devices) else "fork")
    start_processes(  # type: ignore[no-untyped-call]
        init_process,
        args=(len(devices), devices, func, args, kwargs, "127.0.0.1", find_open_port()),
        nprocs=len(devices),
        start_method=start_method,
    )
