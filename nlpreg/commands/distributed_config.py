"""The section `distributed` of a config: which processes train together, and how they find each other."""

from __future__ import annotations

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.distributed import is_under_torchrun
from nlpreg.common.from_params import FromParams
from nlpreg.common.lazy import Lazy
from nlpreg.nn.parallel import DdpAccelerator

__all__ = ["DistributedConfig"]

LOCAL_ADDRESSES = ("127.0.0.1", "0.0.0.0", "localhost")


class DistributedConfig(FromParams):
    """Which processes train together; torchrun knows their number, the number of machines and the address itself.

    Args:
        cuda_devices: numbers of the GPUs of each machine, a process for each; -1 stands for a process on the CPU. May be
            left out under torchrun.
        num_nodes: number of machines.
        primary_address: address of the first machine, as the others see it.
        primary_port: a free port there; chosen for you on a single machine.
        ddp_accelerator: wraps the model.
        master_address: older name of `primary_address`.
        master_port: older name of `primary_port`.

    Raises:
        ConfigurationError: this is fewer than two processes, or a port is needed.
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
        if self.port is None and (self.address not in LOCAL_ADDRESSES or num_nodes > 1):
            raise ConfigurationError(
                f"distributed.primary_port: required with several machines: a free port of {self.address} that the "
                "others can reach"
            )

    @property
    def world_size(self) -> int:
        """Number of processes on all machines."""
        return self.num_nodes * len(self.cuda_devices)
