"""Trading computation for memory: activations that are computed again in the backward pass."""

from nlpreg.nn.checkpoint.checkpoint_wrapper import CheckpointWrapper, TorchCheckpointWrapper

__all__ = ["CheckpointWrapper", "TorchCheckpointWrapper"]
