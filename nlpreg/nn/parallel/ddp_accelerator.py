"""The base of ways to train a model by several processes."""

from __future__ import annotations

import torch
import torch.distributed as dist

from nlpreg.common import Registrable
from nlpreg.common.util import int_to_device
from nlpreg.nn.module import Module
from nlpreg.nn.parallel.ddp_wrapped_model import DdpWrappedModel


class DdpAccelerator(Registrable):
    """Wraps a model for training by several processes.

    Args:
        local_rank: number of this process on its machine; the rank in the process group if None.
        world_size: number of processes; that of the process group if None.
        cuda_device: where this process's model goes; a negative number is the CPU.
    """

    default_implementation = "torch"

    def __init__(
        self,
        local_rank: int | None = None,
        world_size: int | None = None,
        cuda_device: torch.device | int = -1,
    ) -> None:
        self.local_rank = dist.get_rank() if local_rank is None else local_rank
        self.world_size = dist.get_world_size() if world_size is None else world_size
        self.is_primary = self.local_rank == 0
        self.cuda_device = int_to_device(cuda_device)

    def wrap_model(self, model: Module) -> tuple[Module, DdpWrappedModel]:
        """Move a model to its device and wrap it; called once, before there is an optimizer.

        Returns:
            The model itself, and the wrapped one.
        """
        raise NotImplementedError

    def wrap_module(self, module: Module) -> Module:
        """Treat a part of the model as a unit; a model's constructor may call this. By default nothing happens."""
        return module
