"""Penalties on parameters, and the object that applies them by name."""

from nlpreg.nn.regularizers.regularizer import Regularizer
from nlpreg.nn.regularizers.regularizer_applicator import RegularizerApplicator
from nlpreg.nn.regularizers.regularizers import L1Regularizer, L2Regularizer

__all__ = ["L1Regularizer", "L2Regularizer", "Regularizer", "RegularizerApplicator"]
