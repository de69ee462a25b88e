"""Words from their pieces."""

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.token_embedders import PretrainedTransformerMismatchedEmbedder

pytest.importorskip("transformers")

IDS = torch.tensor([[2, 5, 6, 8, 3, 0], [2, 7, 8, 8, 9, 3]])
PIECES = torch.tensor([[True] * 5 + [False], [True] * 6])
WORDS = torch.tensor([[True, True, True], [True, True, False]])
OFFSETS = torch.tensor([[[1, 1], [2, 3], [-1, -1]], [[1, 3], [4, 4], [0, 0]]])


def build(name, **options):
    return PretrainedTransformerMismatchedEmbedder(name, **options).eval()


def test_means_of_pieces(tiny_transformer):
    embedder = build(tiny_transformer)
    pieces = embedder._matched_embedder(IDS, PIECES)
    words = embedder(IDS, WORDS, OFFSETS, PIECES)
    assert words.shape == (2, 3, embedder.get_output_dim())
    torch.testing.assert_close(words[0, 0], pieces[0, 1])
    torch.testing.assert_close(words[0, 1], pieces[0, 2:4].mean(0))
    assert not words[0, 2].any()
    torch.testing.assert_close(words[1, 0], pieces[1, 1:4].mean(0))
    torch.testing.assert_close(words[1, 1], pieces[1, 4])
    assert all(name.startswith("_matched_embedder.transformer_model.") for name in embedder.state_dict())


def test_first_pieces(tiny_transformer):
    embedder = build(tiny_transformer, sub_token_mode="first")
    pieces = embedder._matched_embedder(IDS, PIECES)
    words = embedder(IDS, WORDS, OFFSETS, PIECES)
    torch.testing.assert_close(words[WORDS & (OFFSETS[..., 0] >= 0)], pieces[[0, 0, 1, 1], [1, 2, 1, 4]])
    assert not words[0, 2].any()  # a word without pieces


def test_other_modes_are_refused(tiny_transformer):
    with pytest.raises(ConfigurationError, match="expected 'avg' or 'first', got 'last'"):
        build(tiny_transformer, sub_token_mode="last")(IDS, WORDS, OFFSETS, PIECES)
