"""Text generation: how a beam search feeds its predictions back to a model."""

from nlpreg.nn.beam_search_generators.beam_search_generator import BeamSearchGenerator
from nlpreg.nn.beam_search_generators.transformer_beam_search_generator import TransformerBeamSearchGenerator

__all__ = ["BeamSearchGenerator", "TransformerBeamSearchGenerator"]
