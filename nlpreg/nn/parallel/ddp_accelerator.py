"""Accelerators, which prepare models for distributed training, and the wrapped models that they make."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from nlpreg.common import Registrable
from nlpreg.common.util import int_to_device
from nlpreg.nn.module import Module
from nlpreg.nn.parallel.sharded_module_mixin import ShardedModuleMixin
from nlpreg.nn.util.state_dicts import StateDictType


class DdpWrappedModel:
    """A wrapped model, as a trainer uses it.

    Args:
        model: the wrapped module; the trainer calls it.
        local_rank: rank of this process on its machine; its rank in the process group if None.
        world_size: number of processes; the size of the process group if None.
    """

    def __init__(
        self, model: torch.nn.Module, local_rank: int | None = None, world_size: int | None = None
    ) -> None:
        self.model = model
        self.local_rank = dist.get_rank() if local_rank is None else local_rank
        self.world_size = dist.get_world_size() if world_size is None else world_size
        self.is_primary = self.local_rank == 0

    @property
    def unwrapped(self) -> torch.nn.Module:
        """The module whose weights are saved and loaded."""
        return self.model

    @property
    def is_sharded(self) -> bool:
        """Whether each process holds only a part of the weights."""
        return isinstance(self.model, ShardedModuleMixin)

    def load_state_dict(self, state_dict: StateDictType, strict: bool = True) -> Any:
        """Load weights. All processes must call this."""
        return self.unwrapped.load_state_dict(state_dict, strict=strict)

    def state_dict(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        """The weights, or this process's shards of them, by their names in the model."""
        weights: Mapping[str, Any] = self.unwrapped.state_dict(*args, **kwargs)
        return weights

    def full_state_dict(self) -> dict[str, Any]:
        """The full weights, on the CPU if the model is sharded.

        All processes must call this. If the model is sharded, the first process gets the weights and the others an empty dict.
        """
        return dict(self.state_dict())

    @staticmethod
    def consolidate_sharded_state(sharded_state_files: Sequence[str | PathLike[str]]) -> StateDictType:
        """Combine the weights that the processes of a sharded model saved, one file for each process."""
        raise NotImplementedError("this model is not sharded, so it has no files to combine")

    def clip_grad_norm_(self, max_norm: float) -> Tensor:
        """Clip the gradients by their total norm.

        Returns:
            The norm before clipping, a scalar tensor.
        """
        return torch.nn.utils.clip_grad_norm_(self.model.parameters(), max_norm)

    def init_grad_scaler(self) -> torch.amp.GradScaler:
        """A gradient scaler for training in half precision."""
        device = next(self.model.parameters()).device
        return torch.amp.GradScaler(device.type)


class DdpAccelerator(Registrable):
    """Prepares a model for training by several processes.

    Args:
        local_rank: rank of this process on its machine; its rank in the process group if None.
        world_size: number of processes; the size of the process group if None.
        cuda_device: device of this process's model; a negative number is the CPU.
    """

    constructor_extras = frozenset(["cuda_device", "local_rank", "world_size"])

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
        """Move a model to its device and wrap it; called once, before the optimizer is made.

        Returns:
            The model itself, and the wrapped model.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement wrap_model")

    def wrap_module(self, module: Module) -> Module:
        """Wrap a submodule as a unit; a model's constructor may call this. Does nothing by default."""
        return module


class TorchDdpWrappedModel(DdpWrappedModel):
    """A model inside `DistributedDataParallel`; weights are saved and loaded by their names in the model.

    Args:
        model: the `DistributedDataParallel` module.
        local_rank: rank of this process on its machine; its rank in the process group if None.
        world_size: number of processes; the size of the process group if None.
    """

    @property
    def unwrapped(self) -> torch.nn.Module:
        """The model inside the wrapper."""
        inner: torch.nn.Module = cast(DistributedDataParallel, self.model).module
        return inner


@DdpAccelerator.register("torch")
class TorchDdpAccelerator(DdpAccelerator):
    """Each process has the whole model; gradients are averaged with `DistributedDataParallel`.

    Args:
        find_unused_parameters: search for parameters without a gradient in each step; required if there may be some.
        local_rank: rank of this process on its machine; its rank in the process group if None.
        world_size: number of processes; the size of the process group if None.
        cuda_device: device of this process's model; a negative number is the CPU.
    """

    def __init__(
        self,
        *,
        find_unused_parameters: bool = False,
        local_rank: int | None = None,
        world_size: int | None = None,
        cuda_device: torch.device | int = -1,
    ) -> None:
        super().__init__(local_rank, world_size, cuda_device)
        self._find_unused_parameters = find_unused_parameters

    def wrap_model(self, model: Module) -> tuple[Module, DdpWrappedModel]:
        """Move the model to its device and wrap it."""
        model = model.to(self.cuda_device)
        wrapped = DistributedDataParallel(
            model,
            device_ids=None if self.cuda_device.type == "cpu" else [self.cuda_device],
            find_unused_parameters=self._find_unused_parameters,
        )
        return model, TorchDdpWrappedModel(wrapped, self.local_rank, self.world_size)
