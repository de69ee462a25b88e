"""Training in several processes: started here on one machine or several, or by torchrun."""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import distributed as dist

from nlpreg.commands import worker_processes
from nlpreg.commands.console import prepare_run_logging, set_verbosity, verbosity
from nlpreg.commands.distributed_config import DistributedConfig
from nlpreg.commands.failures import WorkerFailure, describe
from nlpreg.commands.meeting import Meeting, join_store
from nlpreg.commands.run_process import (
    RunOptions,
    prepare_folder,
    run_process,
    take_command_keys,
    trainer_section,
)
from nlpreg.commands.shared_vocabulary import hand_out_vocabulary, make_vocabulary
from nlpreg.commands.train_model import TrainModel
from nlpreg.common import logging as common_logging
from nlpreg.common.checks import ConfigurationError, check_for_gpu
from nlpreg.common.distributed import is_under_torchrun, stay_on_this_machine
from nlpreg.common.params import Params
from nlpreg.common.plugins import import_plugins
from nlpreg.common.signals import SigTermReceived
from nlpreg.common.util import import_module_and_submodules
from nlpreg.nn.parallel import DdpAccelerator

__all__ = ["Place", "launch", "place_under_torchrun", "run_under_torchrun"]

logger = logging.getLogger(__name__)

TIMEOUT = datetime.timedelta(hours=2)
"""How long a process waits for the others, which may be reading data; one that dies is noticed at once."""


@dataclass(frozen=True)
class Place:
    """Where one process stands among all.

    Args:
        local_rank: its number on its machine.
        rank: its number among all processes.
        world_size: number of all processes.
        local_world_size: number of those on its machine.
        device: number of its GPU, or -1 for the CPU.
        meeting: address and port of the store where the processes find each other; torchrun's if None.
    """

    local_rank: int
    rank: int
    world_size: int
    local_world_size: int
    device: int
    meeting: tuple[str, int] | None = None


def launch(
    params: Params,
    options: RunOptions,
    distributed: Params,
    node_rank: int,
    resolved: dict[str, Any] | None = None,
) -> None:
    """Train in one process for each device of this machine.

    The first machine writes the run's folder. The others may see the same folder or have one of their own, which then
    gets their logs and the vocabulary only.

    Args:
        params: the whole config.
        options: of the run.
        distributed: the config's section of that name.
        node_rank: number of this machine.
        resolved: the config with every default filled in, to be kept in the run's folder.

    Raises:
        ConfigurationError: the section, or the number of the machine, is wrong.
        WorkerFailure: a process failed, here or on another machine; the others were ended.
    """
    section = distributed.as_dict(quiet=True)
    config = DistributedConfig.from_params(distributed.duplicate())
    places = _places(config, node_rank)
    meeting = Meeting(config.address, config.port, config.num_nodes, node_rank)
    try:
        check_for_gpu([place.device for place in places])
        if node_rank == 0:
            prepare_folder(params, options, resolved)
            prepare_run_logging(options.serialization_dir)
            take_command_keys(params)
            make_vocabulary(params, options)
            meeting.begin()
        else:
            take_command_keys(params)
            meeting.wait_for_beginning()
            os.makedirs(options.serialization_dir, exist_ok=True)
        os.environ["NLPREG_PROCS_PER_NODE"] = str(len(places))
        logger.info("starting %d of %d processes", len(places), places[0].world_size)
        known, console = (config.address, meeting.port), verbosity()
        worker_processes.run_all(
            _worker,
            [
                (params.as_dict(quiet=True), options, section, replace(place, meeting=known), console)
                for place in places
            ],
            first_rank=places[0].rank,
            look=meeting.look,
        )
    except WorkerFailure as failure:
        raise meeting.cause(failure) from None
    except SigTermReceived:
        raise  # which all processes agree on among themselves
    except Exception as error:
        meeting.cause(WorkerFailure(None, *describe(error)))
        raise
    finally:
        meeting.leave()


def _places(distributed: DistributedConfig, node_rank: int) -> list[Place]:
    """The places of this machine's processes."""
    if not 0 <= node_rank < distributed.num_nodes:
        raise ConfigurationError(
            f"--node-rank: expected a number from 0 to {distributed.num_nodes - 1}, since distributed.num_nodes is "
            f"{distributed.num_nodes}, got {node_rank}"
        )
    devices = distributed.cuda_devices
    first = node_rank * len(devices)
    return [
        Place(local, first + local, distributed.world_size, len(devices), device)
        for local, device in enumerate(devices)
    ]


def place_under_torchrun(params: Params) -> Place | None:
    """This process's place if torchrun started it as one of several, else None.

    Args:
        params: the config, whose `distributed.cuda_devices` says which devices to use; GPUs if there are enough, else
            the CPU, where it says nothing.
    """
    environment = os.environ
    if not is_under_torchrun():
        return None
    local_rank = int(environment["LOCAL_RANK"])
    local_world_size = int(environment.get("LOCAL_WORLD_SIZE", environment["WORLD_SIZE"]))
    section = params.get("distributed", None)
    devices = section.get("cuda_devices", None) if isinstance(section, Params) else None
    if devices is None:
        devices = list(range(local_world_size)) if torch.cuda.device_count() >= local_world_size else None
    if devices is not None and len(devices) != local_world_size:
        raise ConfigurationError(
            f"distributed.cuda_devices: {devices} names {len(devices)} devices, but torchrun started "
            f"{local_world_size} processes on this machine; give it --nproc-per-node={len(devices)}"
        )
    return Place(
        local_rank=local_rank,
        rank=int(environment["RANK"]),
        world_size=int(environment["WORLD_SIZE"]),
        local_world_size=local_world_size,
        device=devices[local_rank] if devices is not None else -1,
    )


def run_under_torchrun(
    params: Params, options: RunOptions, place: Place, resolved: dict[str, Any] | None
) -> TrainModel:
    """Be one of the processes that torchrun started.

    Args:
        params: the whole config.
        options: of the run.
        place: of this process.
        resolved: the config with every default filled in, to be kept in the run's folder.
    """
    is_primary = place.rank == 0
    if (
        is_primary
    ):  # before the processes know each other: the vocabulary is made from all data, not from a share of it
        prepare_folder(params, options, resolved)
        prepare_run_logging(options.serialization_dir, place.rank, place.world_size)
    distributed = take_command_keys(params)
    if is_primary:
        make_vocabulary(params, options)
    with _process_group(place):
        dist.barrier()
        if not is_primary:
            os.makedirs(options.serialization_dir, exist_ok=True)
            prepare_run_logging(options.serialization_dir, place.rank, place.world_size)
        section = distributed.as_dict(quiet=True) if distributed is not None else {}
        return _run_place(params, options, section, place)


def _worker(
    config: dict[str, Any],
    options: RunOptions,
    distributed: dict[str, Any],
    place: Place,
    console: tuple[int, bool],
) -> None:
    """The life of a process that `launch` started."""
    set_verbosity(*console)
    common_logging.FILE_FRIENDLY_LOGGING = options.file_friendly_logging
    import_plugins()
    for package in options.include_package:
        import_module_and_submodules(package)
    prepare_run_logging(options.serialization_dir, place.rank, place.world_size)
    with _process_group(place):
        _run_place(Params(config), options, distributed, place)


def _run_place(params: Params, options: RunOptions, distributed: dict[str, Any], place: Place) -> TrainModel:
    hand_out_vocabulary(params, options.serialization_dir, place.local_rank)
    trainer_section(params).update(cuda_device=place.device, world_size=place.world_size, distributed=True)
    section = distributed.get("ddp_accelerator") or {}
    if isinstance(section, str):
        section = {"type": section}
    ddp_accelerator = DdpAccelerator.from_params(
        Params(section, "distributed.ddp_accelerator."),
        local_rank=place.local_rank,
        world_size=place.world_size,
        cuda_device=place.device,
    )
    return run_process(params, options, place.local_rank, ddp_accelerator)


@contextlib.contextmanager
def _process_group(place: Place) -> Iterator[None]:
    """Be in touch with the other processes for the length of a block."""
    if place.device >= 0:
        torch.cuda.set_device(place.device)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // place.local_world_size))
    if place.local_world_size == place.world_size:
        stay_on_this_machine()
    dist.init_process_group(
        backend="nccl" if place.device >= 0 else "gloo",
        store=None if place.meeting is None else join_store(*place.meeting),
        world_size=place.world_size,
        rank=place.rank,
        timeout=TIMEOUT,
    )
    yield
    # Not after a failure: it would wait for processes that wait for this one. The end of the process is enough then.
    dist.destroy_process_group()
