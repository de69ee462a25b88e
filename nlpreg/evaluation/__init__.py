"""Evaluation of trained models: metrics, predictions and significance tests."""

from nlpreg.evaluation.evaluator import Evaluator, SimpleEvaluator
from nlpreg.evaluation.serializers import Serializer

__all__ = ["Evaluator", "Serializer", "SimpleEvaluator"]
