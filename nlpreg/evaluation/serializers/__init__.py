"""Serializers: a batch and what a model made of it, as text."""

from nlpreg.evaluation.serializers.serializers import Serializer, SimpleSerializer

__all__ = ["Serializer", "SimpleSerializer"]
