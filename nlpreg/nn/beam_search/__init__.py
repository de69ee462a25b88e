"""Search for the most likely sequences of a step-by-step model: beams, samplers, scorers, constraints."""

from nlpreg.nn.beam_search.beam_search import BeamSearch
from nlpreg.nn.beam_search.constraint import Constraint
from nlpreg.nn.beam_search.deterministic_sampler import DeterministicSampler
from nlpreg.nn.beam_search.final_sequence_scorer import FinalSequenceScorer
from nlpreg.nn.beam_search.gumbel_sampler import GumbelSampler
from nlpreg.nn.beam_search.length_normalized_sequence_log_probability_scorer import (
    LengthNormalizedSequenceLogProbabilityScorer,
)
from nlpreg.nn.beam_search.multinomial_sampler import MultinomialSampler
from nlpreg.nn.beam_search.repeated_ngram_blocking_constraint import RepeatedNGramBlockingConstraint
from nlpreg.nn.beam_search.sampler import Sampler
from nlpreg.nn.beam_search.sequence_log_probability_scorer import SequenceLogProbabilityScorer
from nlpreg.nn.beam_search.top_k_sampler import TopKSampler
from nlpreg.nn.beam_search.top_p_sampler import TopPSampler
from nlpreg.nn.beam_search.types import (
    ConstraintStateType,
    StateType,
    StepFunctionType,
    StepFunctionTypeNoTimestep,
    StepFunctionTypeWithTimestep,
    VocabularyProtocol,
)

__all__ = [
    "BeamSearch",
    "Constraint",
    "ConstraintStateType",
    "DeterministicSampler",
    "FinalSequenceScorer",
    "GumbelSampler",
    "LengthNormalizedSequenceLogProbabilityScorer",
    "MultinomialSampler",
    "RepeatedNGramBlockingConstraint",
    "Sampler",
    "SequenceLogProbabilityScorer",
    "StateType",
    "StepFunctionType",
    "StepFunctionTypeNoTimestep",
    "StepFunctionTypeWithTimestep",
    "TopKSampler",
    "TopPSampler",
    "VocabularyProtocol",
]
