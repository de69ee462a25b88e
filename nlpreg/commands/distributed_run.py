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
import torch.distributed

from nlpreg.commands import worker_processes
from nlpreg.commands.console import prepare_run_logging, set_verbosity, verbosity
from nlpreg.commands.distributed_config import DistributedConfig
from nlpreg.commands.run_process import (
    RunOptions,
    prepare_folder,
    run_process,
    take_command_keys,
    trainer_section,
)
from nlpreg.commands.train_model import TrainModel
from nlpreg.common import logging as common_logging
from nlpreg.common.checks import ConfigurationError, check_for_gpu
from nlpreg.common.params import Params
from nlpreg.common.plugins import import_plugins
from nlpreg.common.util import find_open_port, import_module_and_submodules
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.model import VOCABULARY_FOLDER
from nlpreg.nn.parallel import DdpAccelerator
from nlpreg.training.util import make_vocab_from_params

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
        device: number of its GPU, or -1 for the CPU.
        init_method: how the processes find each other, as torch writes it.
    """

    local_rank: int
    rank: int
    world_size: int
    device: int
    init_method: str = "env://"


def launch(params: Params, options: RunOptions, distributed: Params, node_rank: int) -> None:
    """Train in one process for each device of this machine.

    Args:
        params: the config without the keys of commands.
        options: of the run.
        distributed: the config's section of that name.
        node_rank: number of this machine.

    Raises:
        ConfigurationError: the section, or the number of the machine, is wrong.
        WorkerFailure: a process failed; the others were ended.
    """
    section = distributed.as_dict(quiet=True)
    places = _places(DistributedConfig.from_params(distributed.duplicate()), node_rank)
    check_for_gpu([place.device for place in places])
    _share_vocabulary(params, options)
    os.environ["NLPREG_PROCS_PER_NODE"] = str(len(places))
    config = params.as_dict(quiet=True)
    logger.info("starting %d of %d processes", len(places), places[0].world_size)
    worker_processes.run_all(_worker, [(config, options, section, place, verbosity()) for place in places])


def _places(distributed: DistributedConfig, node_rank: int) -> list[Place]:
    """The places of this machine's processes."""
    if not 0 <= node_rank < distributed.num_nodes:
        raise ConfigurationError(
            f"--node-rank: expected a number from 0 to {distributed.num_nodes - 1}, since distributed.num_nodes is "
            f"{distributed.num_nodes}, got {node_rank}"
        )
    port = distributed.port if distributed.port is not None else find_open_port()
    first = node_rank * len(distributed.cuda_devices)
    return [
        Place(local, first + local, distributed.world_size, device, f"tcp://{distributed.address}:{port}")
        for local, device in enumerate(distributed.cuda_devices)
    ]


def place_under_torchrun(params: Params) -> Place | None:
    """This process's place if torchrun started it as one of several, else None.

    Args:
        params: the config, whose `distributed.cuda_devices` says which devices to use; GPUs if there are enough, else
            the CPU, where it says nothing.
    """
    environment = os.environ
    if "LOCAL_RANK" not in environment or int(environment.get("WORLD_SIZE", "1")) < 2:
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
    is_primary = place.local_rank == 0
    if (
        is_primary
    ):  # before the processes know each other: the vocabulary is made from all data, not from a share of it
        prepare_folder(params, options, resolved)
        prepare_run_logging(options.serialization_dir, place.rank, place.world_size)
    distributed = take_command_keys(params)
    if is_primary:
        _share_vocabulary(params, options)
    with _process_group(place):
        torch.distributed.barrier()
        if not is_primary:
            prepare_run_logging(options.serialization_dir, place.rank, place.world_size)
            _share_vocabulary(params, replace(options, recover=True))
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
        local = int(os.environ.get("NLPREG_PROCS_PER_NODE") or place.world_size)
        torch.set_num_threads(max(1, torch.get_num_threads() // local))
    torch.distributed.init_process_group(
        backend="nccl" if place.device >= 0 else "gloo",
        init_method=place.init_method,
        world_size=place.world_size,
        rank=place.rank,
        timeout=TIMEOUT,
    )
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def _share_vocabulary(params: Params, options: RunOptions) -> None:
    """Make the vocabulary once, and let the config read it, so that every process has the same one."""
    folder = os.path.join(options.serialization_dir, VOCABULARY_FOLDER)
    section = params.params.get("vocabulary") or {}
    tokens = [
        section.get(key) if isinstance(section, dict) else None for key in ("padding_token", "oov_token")
    ]
    if options.recover and os.path.isdir(folder):
        vocab = Vocabulary.from_files(folder, *tokens)
    else:
        vocab = make_vocab_from_params(
            params.duplicate(), options.serialization_dir, print_statistics=options.dry_run
        )
    params.params["vocabulary"] = {
        "type": "from_files",
        "directory": folder,
        "padding_token": vocab._padding_token,
        "oov_token": vocab._oov_token,
    }
