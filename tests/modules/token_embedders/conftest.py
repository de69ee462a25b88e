"""A small vocabulary."""

import pytest

from nlpreg.data.vocabulary import Vocabulary


@pytest.fixture
def vocab() -> Vocabulary:
    """Words under `tokens` (with padding and unknown: 6 entries), and labels, which have neither."""
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(["the", "naïve", "cat", "日本"])
    vocab.add_tokens_to_namespace(["A", "B"], "labels")
    return vocab
