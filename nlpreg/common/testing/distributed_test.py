"""Tests that run in several processes at once."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from nlpreg.commands.failures import WorkerFailure
from nlpreg.commands.meeting import Meeting, join_store
from nlpreg.commands.worker_processes import run_all
from nlpreg.common.checks import check_for_gpu
from nlpreg.common.distributed import stay_on_this_machine

__all__ = ["init_process", "run_distributed_test"]

SECONDS = 100.0
"""No test waits longer, neither one process for another nor the caller for all."""


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
    meeting = {"init_method": f"tcp://{primary_addr}:{primary_port}"}
    _run_in_group(process_rank, distributed_device_ids[:world_size], func, func_args, func_kwargs, meeting)


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
        RuntimeError: `func` raised in one of the processes; the message has its traceback.
        TimeoutError: the processes took longer than 100 s.
    """
    devices = [-1, -1] if device_ids is None else device_ids
    check_for_gpu(devices)
    start_method = kwargs.pop("start_method", "spawn" if any(device >= 0 for device in devices) else "fork")
    deadline = time.monotonic() + SECONDS

    def look() -> None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the processes of a distributed test were not done after {SECONDS:.0f} s")

    meeting = Meeting("127.0.0.1", None)
    arguments = [(rank, devices, func, args, kwargs, {"port": meeting.port}) for rank in range(len(devices))]
    try:
        with warnings.catch_warnings():  # Python 3.12 and later warn of any fork beside threads
            warnings.simplefilter("ignore", DeprecationWarning)
            run_all(_run_in_group, arguments, look=look, start_method=start_method)
    except WorkerFailure as failure:
        raise RuntimeError(f"{failure}\n{failure.trace}") from None


def _run_in_group(
    rank: int,
    devices: list[int],
    func: Callable[..., Any],
    func_args: tuple[Any, ...] | None,
    func_kwargs: dict[str, Any] | None,
    meeting: dict[str, Any],
) -> None:
    device = devices[rank]
    if device >= 0:
        torch.cuda.set_device(device)
    else:
        torch.set_num_threads(1)  # several processes share this machine's cores
        stay_on_this_machine()
    if "port" in meeting:
        meeting = {"store": join_store("127.0.0.1", meeting["port"])}
    dist.init_process_group(
        backend="nccl" if device >= 0 else "gloo",
        world_size=len(devices),
        rank=rank,
        timeout=timedelta(seconds=SECONDS),
        **meeting,
    )
    func(rank, len(devices), device, *(func_args or ()), **(func_kwargs or {}))
    dist.barrier()
    dist.destroy_process_group()
