"""`nlpreg export`: export a trained model to torch.export, ONNX or safetensors."""

from nlpreg.commands.export.command import Export

__all__ = ["Export"]
