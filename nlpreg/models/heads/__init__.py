"""Heads: models over text that something else has encoded."""

from nlpreg.models.heads.classifier_head import ClassifierHead
from nlpreg.models.heads.head import Head

__all__ = ["ClassifierHead", "Head"]
