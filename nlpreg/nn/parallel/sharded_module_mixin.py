"""A mark for wrapper modules that hold only a part of the weights."""

import torch


class ShardedModuleMixin:
    """Mixed into a wrapper module whose processes each hold a part of the weights."""

    def get_original_module(self) -> torch.nn.Module:
        """The module inside the wrapper."""
        raise NotImplementedError(f"{type(self).__name__} does not say which module it wraps")
