"""A model whose weights are spread over the processes."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.module import Module
from nlpreg.nn.parallel.ddp_accelerator import DdpAccelerator, DdpWrappedModel
from nlpreg.nn.parallel.sharded_states import whole_state
from nlpreg.nn.util.state_dicts import StateDictType

# torch's modules for sharding take half a second to import, so they are imported by the functions that need them.


class TorchFsdpWrappedModel(DdpWrappedModel):
    """A model whose weights are spread over the processes by FSDP2.

    Args:
        model: the model, which has become a sharded one itself.
        local_rank: number of this process on its machine; the rank in the process group if None.
        world_size: number of processes; that of the process group if None.
    """

    @property
    def is_sharded(self) -> bool:
        """True."""
        return True

    def load_state_dict(self, state_dict: StateDictType, strict: bool = True) -> Any:
        """Load sharded weights, as `state_dict` gives them, or the whole ones that the first process passes.

        All processes call this; where the weights are whole, the others may pass an empty dict.
        """
        from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
        from torch.distributed.tensor import DTensor

        if any(isinstance(value, DTensor) for value in state_dict.values()):
            return self.model.load_state_dict(state_dict, strict=strict)
        options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=strict)
        return set_model_state_dict(self.model, dict(state_dict), options=options)

    def full_state_dict(self) -> dict[str, Any]:
        """The whole weights on the CPU, in the first process; an empty dict in the others. All processes call this."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        return dict(get_model_state_dict(self.model, options=options))

    @staticmethod
    def consolidate_sharded_state(sharded_state_files: Sequence[str | PathLike[str]]) -> StateDictType:
        """The whole weights of the files that the processes saved, one each, before nlpreg gathered them itself."""
        parts = [
            torch.load(path, map_location="cpu", weights_only=True, mmap=True) for path in sharded_state_files
        ]
        weights: dict[str, Tensor] = whole_state(parts)
        return weights

    def clip_grad_norm_(self, max_norm: float) -> Tensor:
        """Scale the gradients down to a norm over the weights of all processes."""
        from torch.distributed.tensor import DTensor

        norm = super().clip_grad_norm_(max_norm)
        return norm.full_tensor() if isinstance(norm, DTensor) else norm


@DdpAccelerator.register("torch_fsdp")
class TorchFsdpAccelerator(DdpAccelerator):
    """Each process holds a part of the weights, gradients and optimizer state (FSDP2, `fully_shard`).

    The parts that a model's constructor passes to `wrap_module` are gathered and freed one by one; they are sharded
    only when the whole model is ready, so that initializers and pretrained weights see ordinary tensors.

    Args:
        mixed_precision: compute in bfloat16 and exchange gradients in single precision.
        reshard_after_forward: free the gathered weights of each part after its forward pass, and gather them again
            for the backward pass.
        flatten_parameters: has no effect; configs for the older FairScale accelerator may contain it.
        cpu_offload: keep the weights in the memory of the CPU.
        local_rank: number of this process on its machine; the rank in the process group if None.
        world_size: number of processes; that of the process group if None.
        cuda_device: where this process's model goes; a negative number is the CPU.

    Raises:
        ConfigurationError: (when wrapping a model on the CPU) this torch is too old to shard there.
    """

    def __init__(
        self,
        *,
        mixed_precision: bool = False,
        reshard_after_forward: bool = True,
        flatten_parameters: bool = True,
        cpu_offload: bool = False,
        local_rank: int | None = None,
        world_size: int | None = None,
        cuda_device: torch.device | int = -1,
    ) -> None:
        super().__init__(local_rank, world_size, cuda_device)
        self._reshard_after_forward = reshard_after_forward
        self._mixed_precision = mixed_precision
        self._cpu_offload = cpu_offload
        self._units: list[torch.nn.Module] = []

    def wrap_module(self, module: Module) -> Module:
        """Note a part of the model that is to be gathered as a unit."""
        self._units.append(module)
        return module

    def wrap_model(self, model: Module) -> tuple[Module, DdpWrappedModel]:
        """Move the model to its device and spread its weights over the processes."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard

        if self.cuda_device.type == "cpu" and not hasattr(torch.cpu.Stream, "record_event"):
            raise ConfigurationError(
                f"ddp_accelerator: torch {torch.__version__} cannot shard a model on the CPU; install a newer torch, "
                'or use the accelerator "torch"'
            )
        model = model.to(self.cuda_device)
        precision = MixedPrecisionPolicy()
        if self._mixed_precision:
            precision = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        mesh = init_device_mesh(self.cuda_device.type, (self.world_size,))
        inside = set(model.modules())
        # Parts that lie inside other parts come first.
        units = sorted(
            (unit for unit in self._units if unit in inside), key=lambda unit: len(list(unit.modules()))
        )
        for unit in [*units, model]:
            fully_shard(
                unit,
                mesh=mesh,
                reshard_after_forward=self._reshard_after_forward,
                mp_policy=precision,
                offload_policy=CPUOffloadPolicy() if self._cpu_offload else OffloadPolicy(),
            )
        return model, TorchFsdpWrappedModel(model, self.local_rank, self.world_size)


DdpAccelerator.register("fsdp2")(TorchFsdpAccelerator)
DdpAccelerator.register("fairscale_fsdp")(TorchFsdpAccelerator)

FairScaleFsdpAccelerator = TorchFsdpAccelerator
"""The name of AllenNLP's accelerator, which did the same by another library."""
