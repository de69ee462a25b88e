"""`Trainer`, the base class of the trainers, and its checks of devices and processes."""

import importlib
import os
import tempfile
from typing import Any, NamedTuple, Protocol, Union

import torch

from nlpreg.common import Registrable
from nlpreg.common.checks import ConfigurationError, check_for_gpu
from nlpreg.common.util import int_to_device, is_global_primary
from nlpreg.training.serialization_dir import make_folder


class TrainerCheckpoint(NamedTuple):
    """Everything needed to resume training.

    Attributes:
        model_state: the weights.
        trainer_state: all other state, as plain containers of tensors and plain values.
    """

    model_state: dict[str, Any]
    trainer_state: dict[str, Any]


class HasCheckpointState(Protocol):
    """Anything whose state a checkpointer can save."""

    def get_checkpoint_state(self) -> TrainerCheckpoint | None:
        """The state to save, or None in a process that does not save."""


class Trainer(Registrable):
    """Trains one model on one device.

    Args:
        serialization_dir: folder for all files of the run, created if missing; by default a new temporary folder.
        cuda_device: number of a GPU, a negative number for the CPU, or a torch device; by default GPU 0 if there is one.
        distributed: whether this is one of several processes that train together.
        local_rank: number of this process on its machine.
        world_size: number of processes on all machines.

    Raises:
        ConfigurationError: the device does not exist or is a list, or `distributed` is set for a single process.
    """

    constructor_extras = frozenset(
        [
            "data_loader",
            "ddp_accelerator",
            "local_rank",
            "model",
            "serialization_dir",
            "validation_data_loader",
        ]
    )

    default_implementation = "gradient_descent"

    def __init__(
        self,
        serialization_dir: str | os.PathLike[str] | None = None,
        cuda_device: int | torch.device | None = None,
        distributed: bool = False,
        local_rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._serialization_dir = os.fspath(serialization_dir or tempfile.mkdtemp(prefix="nlpreg_"))
        make_folder(self._serialization_dir)
        self.cuda_device = resolve_device(cuda_device)
        self._distributed = distributed
        self._rank = local_rank
        # only the first process of all machines writes; AllenNLP's first process of each machine overwrites shared files
        self._primary = local_rank == 0 and is_global_primary()
        self._world_size = world_size
        check_world_size(distributed, world_size)

    def train(self) -> dict[str, Any]:
        """Train the model and return the metrics."""
        raise NotImplementedError(f"{type(self).__name__} does not implement train")

    def get_checkpoint_state(self) -> TrainerCheckpoint | None:
        """The state to save, or None in a process that does not save."""
        raise NotImplementedError(f"{type(self).__name__} does not implement get_checkpoint_state")

    def get_best_weights_path(self) -> str | None:
        """Path of the file with the best weights, if it exists."""
        return None


def resolve_device(cuda_device: Union[int, str, torch.device, list[int], None]) -> torch.device:
    """Convert a config's `cuda_device` to a device; by default GPU 0, or the CPU without GPUs.

    Raises:
        ConfigurationError: it is a list, or there is no such GPU.
    """
    if cuda_device is None:
        cuda_device = 0 if torch.cuda.device_count() > 0 else -1
    if isinstance(cuda_device, (list, tuple)):
        raise ConfigurationError(
            f"trainer.cuda_device: expected one device, got {list(cuda_device)}; a trainer drives one device, "
            'name several under the top-level key `distributed`, as in "distributed": {"cuda_devices": [0, 1]}'
        )
    if isinstance(cuda_device, str):  # a name of torch's, such as "cuda:1"
        cuda_device = torch.device(cuda_device)
    check_for_gpu(cuda_device)
    return int_to_device(cuda_device)


def check_world_size(distributed: bool, world_size: int) -> None:
    """Check that a distributed run has several processes.

    Raises:
        ConfigurationError: the number of processes is 1.
    """
    if distributed and world_size <= 1:
        raise ConfigurationError(
            f"trainer.distributed: expected at least 2 processes, got world_size {world_size}; leave it out, and for several "
            'name their devices under the top-level key "distributed", as in {"cuda_devices": [0, 1]}'
        )


# Names that AllenNLP up to 2.4 had in this module, and the modules that have them now, which import this one.
_HOMES = {
    "GradientDescentTrainer": "nlpreg.training.gradient_descent_trainer",
    "TrainerCallback": "nlpreg.training.callbacks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
