"""Copies of the whole model that exchange gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch.nn.parallel import DistributedDataParallel

from nlpreg.nn.module import Module
from nlpreg.nn.parallel.ddp_accelerator import DdpAccelerator
from nlpreg.nn.parallel.ddp_wrapped_model import DdpWrappedModel
from nlpreg.nn.util.state_dicts import StateDictType


class TorchDdpWrappedModel(DdpWrappedModel):
    """A model inside `DistributedDataParallel`; its weights keep the names that they have in the model.

    Args:
        model: the wrapper.
        local_rank: number of this process on its machine; the rank in the process group if None.
        world_size: number of processes; that of the process group if None.
    """

    def _inner(self) -> torch.nn.Module:
        inner: torch.nn.Module = cast(DistributedDataParallel, self.model).module
        return inner

    def load_state_dict(self, state_dict: StateDictType, strict: bool = True) -> Any:
        """Load weights into the model inside the wrapper."""
        return self._inner().load_state_dict(state_dict, strict=strict)

    def state_dict(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        """The weights of the model inside the wrapper."""
        weights: Mapping[str, Any] = self._inner().state_dict(*args, **kwargs)
        return weights


@DdpAccelerator.register("torch")
class TorchDdpAccelerator(DdpAccelerator):
    """Each process has the whole model; gradients are averaged with `DistributedDataParallel`.

    Args:
        find_unused_parameters: look in each step for weights that got no gradient; needed if there are such.
        local_rank: number of this process on its machine; the rank in the process group if None.
        world_size: number of processes; that of the process group if None.
        cuda_device: where this process's model goes; a negative number is the CPU.
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
