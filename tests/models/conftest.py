"""A few sentences, and what models are made of."""

import pytest
import torch

from nlpreg.data.vocabulary import Vocabulary

WORDS = ["the", "dog", "ate", "apple", "everybody", "read", "that", "book"]


@pytest.fixture
def tag_vocab():
    """Eight words (ids 2 to 9) and the tags of three kinds of spans' ends."""
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(WORDS)
    vocab.add_tokens_to_namespace(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], "labels")
    return vocab


@pytest.fixture
def tokens():
    """Sentences of 4, 2 and 1 words."""
    return {"tokens": {"tokens": torch.tensor([[2, 3, 4, 5], [6, 7, 0, 0], [9, 0, 0, 0]])}}


@pytest.fixture
def tags():
    return torch.tensor([[1, 2, 0, 3], [0, 1, 0, 0], [3, 0, 0, 0]])
