"""Search for the most likely sequences of a step-by-step model: beams, samplers, scorers, constraints."""

from nlpreg.nn.beam_search.beam_search import (
    BeamSearch,
    Constraint,
    ConstraintStateType,
    FinalSequenceScorer,
    LengthNormalizedSequenceLogProbabilityScorer,
    RepeatedNGramBlockingConstraint,
    RepetitionPenaltyConstraint,
    SequenceLogProbabilityScorer,
    StepFunctionType,
    StepFunctionTypeNoTimestep,
    StepFunctionTypeWithTimestep,
    VocabularyProtocol,
)
from nlpreg.nn.beam_search.sampler import (
    DeterministicSampler,
    GumbelSampler,
    MultinomialSampler,
    Sampler,
    StateType,
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
