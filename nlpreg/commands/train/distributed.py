"""Training in several processes: the section `distributed`, ranks, the process group, and the shared vocabulary.

`nlpreg train` starts the processes itself, or torchrun does; they work alike.
"""

import contextlib
import datetime
import fnmatch
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist
from torch.distributed import Store, rendezvous  # type: ignore[attr-defined]  # torch does not list them

from nlpreg.commands.console import prepare_run_logging, set_verbosity, verbosity
from nlpreg.commands.failures import WorkerFailure, describe
from nlpreg.commands.train import process
from nlpreg.commands.train.experiment import TrainModel
from nlpreg.commands.train.launcher import Interrupted, Machines, is_consequence, launch_processes
from nlpreg.common import FromParams, Lazy, Params
from nlpreg.common import logging as common_logging
from nlpreg.common.checks import ConfigurationError, check_for_gpu
from nlpreg.common.files import atomic_write
from nlpreg.common.plugins import import_plugins
from nlpreg.common.runtime.process import SigTermReceived, is_under_torchrun, stay_on_this_machine
from nlpreg.common.util import import_module_and_submodules
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.model import VOCABULARY_FOLDER
from nlpreg.nn.parallel import DdpAccelerator
from nlpreg.training.interruption import TrainingInterrupted
from nlpreg.training.util import make_vocab_from_params

logger = logging.getLogger(__name__)

_TIMEOUT = datetime.timedelta(hours=2)
"""Maximum waiting time for the other processes, which may be reading data; the end of a process is noticed at once."""
SECONDS_FOR_CAUSES = 1.0
"""Waiting time for the report of the process whose failure caused an error of this one."""
BEGIN, FAILURE = "nlpreg/begin", "nlpreg/failure"
"""Keys of the store: set when the first process has prepared the run; the report of a failed process."""

_LOCAL_ADDRESSES = ("127.0.0.1", "0.0.0.0", "localhost")


class DistributedConfig(FromParams):
    """The processes of a distributed run; under torchrun, their number and the address are those of torchrun.

    Args:
        cuda_devices: numbers of the GPUs of each machine, one process for each; -1 for a process on the CPU. Optional
            under torchrun.
        num_nodes: number of machines.
        primary_address: address of the first machine, as seen from the others.
        primary_port: a free port there; by default chosen automatically on a single machine.
        ddp_accelerator: wraps the model.
        master_address: older name of `primary_address`.
        master_port: older name of `primary_port`.

    Raises:
        ConfigurationError: there are fewer than two processes, or a port is required.
    """

    def __init__(
        self,
        cuda_devices: list[int] | None = None,
        num_nodes: int = 1,
        primary_address: str = "127.0.0.1",
        primary_port: int | None = None,
        ddp_accelerator: Lazy[DdpAccelerator] = Lazy(DdpAccelerator),  # noqa: B008  (it builds nothing yet)
        master_address: str | None = None,
        master_port: int | None = None,
    ) -> None:
        self.cuda_devices = cuda_devices or []
        self.num_nodes = num_nodes
        self.address = master_address or primary_address
        self.port = primary_port if primary_port is not None else master_port
        self.ddp_accelerator = ddp_accelerator
        if is_under_torchrun():
            return
        if cuda_devices is None:
            raise ConfigurationError(
                "distributed.cuda_devices: required without torchrun: the GPUs to train on, as in [0, 1]; [-1, -1] stands "
                "for two processes on the CPU"
            )
        if self.world_size < 2:
            device = cuda_devices[0] if cuda_devices else -1
            raise ConfigurationError(
                f"distributed.cuda_devices: {cuda_devices} on {num_nodes} machine is not more than one process; leave "
                f'the section "distributed" out, and give the trainer "cuda_device": {device}. '
                "[-1, -1] stands for two processes on the CPU"
            )
        if self.port is None and (self.address not in _LOCAL_ADDRESSES or num_nodes > 1):
            raise ConfigurationError(
                f"distributed.primary_port: required with several machines: a free port of {self.address} that the "
                "others can reach"
            )

    @property
    def world_size(self) -> int:
        """Number of processes on all machines."""
        return self.num_nodes * len(self.cuda_devices)


@dataclass(frozen=True)
class Rank:
    """The rank of a process.

    Args:
        local_rank: rank among the processes of its machine.
        rank: rank among all processes.
        world_size: number of all processes.
        local_world_size: number of processes on its machine.
        device: number of its GPU, or -1 for the CPU.
    """

    local_rank: int
    rank: int
    world_size: int
    local_world_size: int
    device: int


def launch(
    params: Params, options: process.RunOptions, node_rank: int, resolved: dict[str, Any] | None = None
) -> None:
    """Train in one process for each device of this machine.

    The first machine writes the run's folder. Other machines may share this folder; otherwise their own folder gets only
    logs and the vocabulary.

    Args:
        params: the whole config.
        options: options of the run.
        node_rank: number of this machine.
        resolved: the config with every default filled in, which is saved in the run's folder.

    Raises:
        ConfigurationError: the section `distributed`, or the number of the machine, is wrong.
        WorkerFailure: a process failed; the others were terminated.
    """
    config = DistributedConfig.from_params(params["distributed"].duplicate())
    if not 0 <= node_rank < config.num_nodes:
        raise ConfigurationError(
            f"--node-rank: expected a number from 0 to {config.num_nodes - 1}, since distributed.num_nodes is "
            f"{config.num_nodes}, got {node_rank}"
        )
    check_for_gpu(config.cuda_devices)
    logger.info("starting %d of %d processes", len(config.cuda_devices), config.world_size)
    os.environ["NLPREG_PROCS_PER_NODE"] = str(len(config.cuda_devices))
    launch_processes(
        _worker,
        (params.as_dict(quiet=True), options, resolved, verbosity()),
        len(config.cuda_devices),
        Machines(config.address, config.port, config.num_nodes, node_rank),
    )


def rank_under_torchrun(params: Params) -> Rank | None:
    """The rank of this process if torchrun or `launch` started it, otherwise None.

    Args:
        params: the config. Without `distributed.cuda_devices`, GPUs are used if there are enough, otherwise the CPU.
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
    return Rank(
        local_rank=local_rank,
        rank=int(environment["RANK"]),
        world_size=int(environment["WORLD_SIZE"]),
        local_world_size=local_world_size,
        device=devices[local_rank] if devices is not None else -1,
    )


def run_rank(
    params: Params, options: process.RunOptions, rank: Rank, resolved: dict[str, Any] | None
) -> TrainModel:
    """Run one of the processes of a distributed run.

    Args:
        params: the whole config.
        options: options of the run.
        rank: rank of this process.
        resolved: the config with every default filled in, which is saved in the run's folder.

    Raises:
        WorkerFailure: another process failed, so that this one cannot continue.
    """
    if rank.world_size == rank.local_world_size:
        stay_on_this_machine()
    store, *_ = next(iter(rendezvous("env://", timeout=_TIMEOUT)))
    with _failure_shared(store, rank):
        if rank.rank == 0:
            process.prepare_folder(params, options, resolved)
        else:
            _wait_for_first(store)
            os.makedirs(options.serialization_dir, exist_ok=True)
        prepare_run_logging(options.serialization_dir, rank.rank, rank.world_size)
        distributed = process.take_command_keys(params)
        if rank.rank == 0:
            # Before the process group is formed: within it, the reader would yield only a share of the data.
            _make_vocabulary(params, options)
            store.set(BEGIN, "")
        with _process_group(rank, store):
            broadcast_vocabulary(params, options.serialization_dir, rank.local_rank)
            process.trainer_section(params).update(
                cuda_device=rank.device, world_size=rank.world_size, distributed=True
            )
            return process.run_process(params, options, rank.local_rank, _accelerator(distributed, rank))


def _worker(
    config: dict[str, Any],
    options: process.RunOptions,
    resolved: dict[str, Any] | None,
    console: tuple[int, bool],
) -> Interrupted | None:
    """The main function of a process that `launch` started."""
    set_verbosity(*console)
    common_logging.FILE_FRIENDLY_LOGGING = options.file_friendly_logging
    import_plugins()
    for package in options.include_package:
        import_module_and_submodules(package)
    params = Params(config)
    rank = rank_under_torchrun(params)
    assert rank is not None
    try:
        with process.resumable(options):
            run_rank(params, options, rank, resolved)
    except TrainingInterrupted as error:
        # returned and not raised, because all processes have agreed to stop and none must be terminated
        return Interrupted(getattr(error, "how_to_continue", ""))
    return None


def _wait_for_first(store: Store) -> None:
    """Wait until the first process has prepared the run, in small steps so that SIGTERM is handled."""
    while not store.check([BEGIN]):
        _raise_failure_of_another(store)
        time.sleep(0.1)


def _raise_failure_of_another(store: Store) -> None:
    if store.check([FAILURE]):
        failure = json.loads(store.get(FAILURE))
        raise WorkerFailure(failure["rank"], failure["reason"], failure["status"])


@contextlib.contextmanager
def _failure_shared(store: Store, rank: Rank) -> Iterator[None]:
    """Report an error in the block to the processes of all machines; if it is a consequence of theirs, raise that instead."""
    try:
        yield
    except (WorkerFailure, SigTermReceived):
        raise
    except Exception as error:
        reason, status = describe(error)
        with contextlib.suppress(RuntimeError):  # the store is lost if the first machine failed
            if not is_consequence(reason):
                store.set(FAILURE, json.dumps({"rank": rank.rank, "reason": reason, "status": status}))
            else:
                time.sleep(SECONDS_FOR_CAUSES)
                _raise_failure_of_another(store)
        raise


def _accelerator(distributed: Params | None, rank: Rank) -> DdpAccelerator:
    section = {} if distributed is None else distributed.as_dict(quiet=True).get("ddp_accelerator") or {}
    if isinstance(section, str):
        section = {"type": section}
    return DdpAccelerator.from_params(
        Params(section, "distributed.ddp_accelerator."),
        local_rank=rank.local_rank,
        world_size=rank.world_size,
        cuda_device=rank.device,
    )


@contextlib.contextmanager
def _process_group(rank: Rank, store: Store) -> Iterator[None]:
    """Join the process group within the block."""
    if rank.device >= 0:
        torch.cuda.set_device(rank.device)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // rank.local_world_size))
    dist.init_process_group(
        backend="nccl" if rank.device >= 0 else "gloo",
        store=store,
        world_size=rank.world_size,
        rank=rank.rank,
        timeout=_TIMEOUT,
    )
    yield
    # Not after a failure: it would wait for processes that wait for this one; the process ends anyway.
    dist.destroy_process_group()


def _make_vocabulary(params: Params, options: process.RunOptions) -> None:
    """Build the vocabulary once, from all data, and change the config to read it from its files.

    Args:
        params: the config, which is changed.
        options: options of the run; a run that is resumed from a checkpoint keeps its vocabulary.
    """
    folder = os.path.join(options.serialization_dir, VOCABULARY_FOLDER)
    section = params.params.get("vocabulary") or {}
    tokens = [
        section.get(key) if isinstance(section, dict) else None for key in ("padding_token", "oov_token")
    ]
    if options.recover and os.path.isdir(folder) and _has_weights(options.serialization_dir):
        vocab = Vocabulary.from_files(folder, *tokens)
    else:
        if options.recover:  # killed before there were weights, possibly while these files were written
            shutil.rmtree(folder, ignore_errors=True)
        vocab = make_vocab_from_params(
            params.duplicate(), options.serialization_dir, print_statistics=options.dry_run
        )
    params.params["vocabulary"] = {
        "type": "from_files",
        "directory": folder,
        "padding_token": vocab.padding_token,
        "oov_token": vocab.oov_token,
    }


def _has_weights(folder: str) -> bool:
    """Whether the run in a folder has weights, to which its vocabulary must fit."""
    patterns = ("training_state_*", "model_state_*", "checkpoint_*", "*.th")
    return any(fnmatch.fnmatch(name, pattern) for name in os.listdir(folder) for pattern in patterns)


def broadcast_vocabulary(params: Params, serialization_dir: str, local_rank: int) -> None:
    """Send the files of the vocabulary from the first process to all machines that lack them; called by all processes.

    Args:
        params: the config, which is changed.
        serialization_dir: folder of the run; other machines may not share it.
        local_rank: rank on this machine; the first process writes the files.
    """
    folder = os.path.join(serialization_dir, VOCABULARY_FOLDER)
    is_first = dist.get_rank() == 0
    content = [params.params["vocabulary"], _files_in(folder)] if is_first else [None, None]
    dist.broadcast_object_list(content, src=0)
    section, files = content
    assert isinstance(section, dict) and isinstance(files, dict)
    found = _files_in(folder)
    if local_rank == 0 and not is_first and found != files:
        os.makedirs(folder, exist_ok=True)
        for name in found.keys() - files.keys():  # files of an earlier run
            os.remove(os.path.join(folder, name))
        for name, content in files.items():
            with atomic_write(os.path.join(folder, name)) as file:
                file.write(content)
    dist.barrier()
    params.params["vocabulary"] = {**section, "directory": folder}


def _files_in(folder: str) -> dict[str, bytes]:
    """The contents of the files of a vocabulary by name."""
    paths = sorted(Path(folder).glob("[!.]*"))  # without locks and temporary files
    return {path.name: path.read_bytes() for path in paths}
