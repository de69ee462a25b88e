"""What models are made with below the level of modules: activations, initializers, regularizers, search."""

from nlpreg.nn.activations import Activation
from nlpreg.nn.initializers import Initializer, InitializerApplicator
from nlpreg.nn.module import Module
from nlpreg.nn.regularizers import RegularizerApplicator

__all__ = ["Activation", "Initializer", "InitializerApplicator", "Module", "RegularizerApplicator"]
