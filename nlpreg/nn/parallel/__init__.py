"""Distributed training: wrappers of torch's DDP and FSDP2."""

from nlpreg.nn.parallel.ddp_accelerator import (
    DdpAccelerator,
    DdpWrappedModel,
    TorchDdpAccelerator,
    TorchDdpWrappedModel,
)
from nlpreg.nn.parallel.sharded_module_mixin import ShardedModuleMixin
from nlpreg.nn.parallel.torch_fsdp_accelerator import (
    FairScaleFsdpAccelerator,
    TorchFsdpAccelerator,
    TorchFsdpWrappedModel,
)

__all__ = [
    "DdpAccelerator",
    "DdpWrappedModel",
    "FairScaleFsdpAccelerator",
    "ShardedModuleMixin",
    "TorchDdpAccelerator",
    "TorchDdpWrappedModel",
    "TorchFsdpAccelerator",
    "TorchFsdpWrappedModel",
]
