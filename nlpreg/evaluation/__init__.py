"""Evaluation of trained models: metrics on data, and predictions as text."""

from nlpreg.evaluation.evaluator import Evaluator, SimpleEvaluator
from nlpreg.evaluation.serializers import Serializer

__all__ = ["Evaluator", "Serializer", "SimpleEvaluator"]
