"""`nlpreg export`: a trained model as a program for torch or ONNX, or as weights alone."""

from nlpreg.commands.export.command import Export

__all__ = ["Export"]
