"""Embedders that do next to nothing, and what every registered one offers."""

import pytest
import torch

from nlpreg.modules.token_embedders import EmptyEmbedder, PassThroughTokenEmbedder, TokenEmbedder


def test_pass_through():
    embedder = PassThroughTokenEmbedder(3)
    vectors = torch.randn(2, 4, 3)
    assert embedder(vectors) is vectors
    assert embedder.get_output_dim() == 3


def test_empty():
    embedder = EmptyEmbedder()
    assert embedder(torch.zeros(2, 3)) is None
    assert embedder.get_output_dim() == 0


def test_registered_names():
    assert TokenEmbedder.list_available()[0] == "embedding"
    assert set(TokenEmbedder.list_available()) == {
        "embedding", "character_encoding", "bag_of_word_counts", "pass_through", "empty", "elmo_token_embedder",
        "pretrained_transformer", "pretrained_transformer_mismatched", "language_model_token_embedder",
        "bidirectional_lm_token_embedder", "dropout_embedding", "unknown_dropout_embedding",
            "character_language_model",
    }  # fmt: skip


def test_the_base_is_abstract():
    with pytest.raises(NotImplementedError, match="TokenEmbedder does not implement get_output_dim"):
        TokenEmbedder().get_output_dim()
