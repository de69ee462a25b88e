"""Trading computation for memory: activations that are computed again in the backward pass."""

from nlpreg.nn.checkpoint.checkpoint_wrapper import CheckpointWrapper
from nlpreg.nn.checkpoint.torch_checkpoint_wrapper import TorchCheckpointWrapper

__all__ = ["CheckpointWrapper", "TorchCheckpointWrapper"]
