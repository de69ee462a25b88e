"""Helpers of readers: text files, tag schemes, and the OntoNotes format."""

from nlpreg.data.dataset_readers.dataset_utils.ontonotes import Ontonotes, OntonotesSentence
from nlpreg.data.dataset_readers.dataset_utils.span_utils import (
    bio_tags_to_spans,
    bioul_tags_to_spans,
    enumerate_spans,
    iob1_to_bioul,
    to_bioul,
)

__all__ = [
    "Ontonotes",
    "OntonotesSentence",
    "bio_tags_to_spans",
    "bioul_tags_to_spans",
    "enumerate_spans",
    "iob1_to_bioul",
    "to_bioul",
]
