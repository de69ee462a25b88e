"""Search for the most likely sequences of a step-by-step model: beams, samplers, scorers, constraints."""

from nlpreg.nn.beam_search.beam_search import BeamSearch
from nlpreg.nn.beam_search.constraint import (
    Constraint,
    ConstraintStateType,
    RepeatedNGramBlockingConstraint,
    RepetitionPenaltyConstraint,
    StateType,
    StepFunctionType,
    StepFunctionTypeNoTimestep,
    StepFunctionTypeWithTimestep,
    VocabularyProtocol,
)
from nlpreg.nn.beam_search.final_sequence_scorer import (
    FinalSequenceScorer,
    LengthNormalizedSequenceLogProbabilityScorer,
    SequenceLogProbabilityScorer,
)
from nlpreg.nn.beam_search.sampler import (
    DeterministicSampler,
    GumbelSampler,
    MultinomialSampler,
    Sampler,
    TopKSampler,
    TopPSampler,
    TruncatedSampler,
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
    "RepetitionPenaltyConstraint",
    "Sampler",
    "SequenceLogProbabilityScorer",
    "StateType",
    "StepFunctionType",
    "StepFunctionTypeNoTimestep",
    "StepFunctionTypeWithTimestep",
    "TopKSampler",
    "TopPSampler",
    "TruncatedSampler",
    "VocabularyProtocol",
]
