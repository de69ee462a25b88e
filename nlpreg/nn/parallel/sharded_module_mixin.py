"""The base class that marks wrapper modules as sharded."""

import torch


class ShardedModuleMixin:
    """A base class of wrapper modules of which each process holds a shard of the weights."""

    def get_original_module(self) -> torch.nn.Module:
        """The module inside the wrapper."""
        raise NotImplementedError(f"{type(self).__name__} does not say which module it wraps")
