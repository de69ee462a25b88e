"""Checks for common mistakes in the architecture of a model."""

from nlpreg.confidence_checks.normalization_bias_verification import NormalizationBiasVerification

__all__ = ["NormalizationBiasVerification"]
