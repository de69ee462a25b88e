"""Tests that run in several processes at once."""

import os
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from nlpreg.commands.failures import WorkerFailure
from nlpreg.commands.train.launcher import launch_processes
from nlpreg.common.checks import check_for_gpu
from nlpreg.common.runtime.process import stay_on_this_machine

SECONDS = 100.0
"""Timeout in seconds, for operations of the process group and for the test as a whole."""


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
        primary_addr: address of the rendezvous.
        primary_port: port of the rendezvous.
    """
    init_method = f"tcp://{primary_addr}:{primary_port}"
    _run_in_group(
        process_rank, distributed_device_ids[:world_size], func, func_args, func_kwargs, init_method
    )


def run_distributed_test(
    device_ids: list[int] | None = None, func: Callable[..., Any] | None = None, *args: Any, **kwargs: Any
) -> None:
    """Call a function in several processes that form a process group.

    Args:
        device_ids: the device of each process; by default two on the CPU.
        func: called with (rank, world size, device, *args, **kwargs); must be importable by name.
        *args: further positional arguments.
        **kwargs: further keyword arguments; `start_method` ("fork" on the CPU, else "spawn") is taken out.

    Raises:
        ConfigurationError: a requested GPU is not available.
        RuntimeError: `func` raised in one of the processes; the message has its traceback.
        TimeoutError: the processes took longer than 100 s.
    """
    devices = [-1, -1] if device_ids is None else device_ids
    check_for_gpu(devices)
    start_method = kwargs.pop("start_method", "spawn" if any(device >= 0 for device in devices) else "fork")
    try:
        with warnings.catch_warnings():  # Python 3.12 and later warn about forks in multi-threaded processes
            warnings.simplefilter("ignore", DeprecationWarning)
            launch_processes(
                _run_in_process,
                (devices, func, args, kwargs),
                len(devices),
                start_method=start_method,
                timeout=SECONDS,
            )
    except WorkerFailure as failure:
        raise RuntimeError(f"{failure}\n{failure.trace}") from None


def _run_in_process(
    devices: list[int], func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    _run_in_group(int(os.environ["RANK"]), devices, func, args, kwargs, "env://")


def _run_in_group(
    rank: int,
    devices: list[int],
    func: Callable[..., Any],
    func_args: tuple[Any, ...] | None,
    func_kwargs: dict[str, Any] | None,
    init_method: str,
) -> None:
    device = devices[rank]
    if device >= 0:
        torch.cuda.set_device(device)
    else:
        torch.set_num_threads(1)  # the processes share the cores of this machine
        stay_on_this_machine()
    dist.init_process_group(
        backend="nccl" if device >= 0 else "gloo",
        world_size=len(devices),
        rank=rank,
        timeout=timedelta(seconds=SECONDS),
        init_method=init_method,
    )
    func(rank, len(devices), device, *(func_args or ()), **(func_kwargs or {}))
    dist.barrier()
    dist.destroy_process_group()
