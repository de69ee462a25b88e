"""From the JSON of a prediction's input to tokens."""

from __future__ import annotations

import importlib.util
import json
import logging
import os

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.util import JsonDict
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.tokenizers import LettersDigitsTokenizer, SpacyTokenizer, Tokenizer

__all__ = ["choose_tokenizer", "sentence_of", "tokenizer_of"]

logger = logging.getLogger(__name__)

_told: set[str] = set()


def sentence_of(json_dict: JsonDict, key: str = "sentence") -> str:
    """The text under a key of the input.

    Raises:
        ConfigurationError: there is none.
    """
    value = json_dict.get(key) if isinstance(json_dict, dict) else None
    if not isinstance(value, str):
        raise ConfigurationError(
            f'input: expected an object such as {{"{key}": "A text."}}, got {json.dumps(json_dict)[:200]}'
        )
    return value


def tokenizer_of(reader: DatasetReader) -> Tokenizer | None:
    """The tokenizer of a reader, or of one that it wraps; None if it has none."""
    tokenizer: Tokenizer | None = getattr(reader, "tokenizer", None) or getattr(reader, "_tokenizer", None)
    inner = getattr(reader, "inner", None) or getattr(reader, "reader", None)
    if tokenizer is None and isinstance(inner, DatasetReader):
        return tokenizer_of(inner)
    return tokenizer


def choose_tokenizer(reader: DatasetReader, language: str) -> Tokenizer:
    """The tokenizer for plain sentences: the reader's own, else spaCy's, else a simple one, which is said once.

    Args:
        reader: of the archive.
        language: the spaCy model.
    """
    own = tokenizer_of(reader)
    if own is not None:
        return own
    if _has_spacy_model(language):
        return SpacyTokenizer(language=language)
    if language not in _told:
        _told.add(language)
        logger.warning(
            "the archive names no tokenizer and the spaCy model %s is not installed: sentences are split into words, "
            'numbers and punctuation marks; to choose, use --predictor-args \'{"tokenizer": {"type": "whitespace"}}\'',
            language,
        )
    return LettersDigitsTokenizer()


def _has_spacy_model(language: str) -> bool:
    if importlib.util.find_spec("spacy") is None:
        return False
    try:
        return os.path.isdir(language) or importlib.util.find_spec(language) is not None
    except (ImportError, ValueError):
        return False
