"""Checks that a model does what its author means it to do."""

from nlpreg.confidence_checks.normalization_bias_verification import NormalizationBiasVerification

__all__ = ["NormalizationBiasVerification"]
