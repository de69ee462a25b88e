"""Heads of multi-task models."""

from nlpreg.models.heads.classifier_head import ClassifierHead
from nlpreg.models.heads.head import Head

__all__ = ["ClassifierHead", "Head"]
