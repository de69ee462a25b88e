"""Counts of ids."""

from collections import Counter

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.token_embedders import BagOfWordCountsTokenEmbedder


@pytest.mark.parametrize("ignore_oov", [False, True])
def test_counts(vocab, ignore_oov):
    embedder = BagOfWordCountsTokenEmbedder(vocab, ignore_oov=ignore_oov)
    ids = torch.tensor([[2, 1, 2, 5, 0, 0], [0, 0, 0, 0, 0, 0], [1, 1, 1, 3, 4, 2]])
    counts = embedder(ids)
    assert counts.shape == (3, 6) and embedder.get_output_dim() == 6
    for row, found in zip(ids.tolist(), counts.tolist(), strict=True):
        expected = Counter(row)
        del expected[0]
        if ignore_oov:
            del expected[1]
        assert found == [expected[index] for index in range(6)]


def test_projection(vocab):
    embedder = BagOfWordCountsTokenEmbedder(vocab, projection_dim=2)
    plain = BagOfWordCountsTokenEmbedder(vocab)
    ids = torch.tensor([[2, 1, 2]])
    torch.testing.assert_close(embedder(ids), embedder._projection(plain(ids)))
    assert embedder.get_output_dim() == 2
    assert set(embedder.state_dict()) == {"_projection.weight", "_projection.bias"}


def test_a_namespace_without_unknown_words(vocab):
    with pytest.raises(ConfigurationError, match="namespace 'labels' to have an entry for unknown words"):
        BagOfWordCountsTokenEmbedder(vocab, "labels")
