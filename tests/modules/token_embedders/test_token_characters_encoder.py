"""Each distinct word once, against every token by itself."""

import copy
import math

import pytest
import torch
from torch import nn

from nlpreg.common import Params
from nlpreg.modules.seq2vec_encoders import (
    BagOfEmbeddingsEncoder,
    CnnEncoder,
    CnnHighwayEncoder,
    GruSeq2VecEncoder,
    LstmSeq2VecEncoder,
)
from nlpreg.modules.token_embedders import Embedding, TokenCharactersEncoder, TokenEmbedder
from nlpreg.modules.token_embedders.token_characters_encoder import _groups

ENCODERS = {
    "cnn": lambda: CnnEncoder(4, 5, ngram_filter_sizes=(2, 3)),
    "cnn-highway": lambda: CnnHighwayEncoder(4, [[1, 3], [3, 4]], 1, 6),
    "boe": lambda: BagOfEmbeddingsEncoder(4, averaged=True),
    "lstm": lambda: LstmSeq2VecEncoder(4, 3, bidirectional=True),
    "gru": lambda: GruSeq2VecEncoder(4, 3, num_layers=2),
}


def sentences(seed=0):
    """(3, 6, 40) ids: words of 1 to 40 characters, some of them twice, and padding tokens."""
    generator = torch.Generator().manual_seed(seed)
    words = torch.zeros(8, 40, dtype=torch.long)
    for row, length in enumerate([1, 2, 3, 3, 7, 12, 26, 40]):
        words[row, :length] = torch.randint(1, 9, (length,), generator=generator)
    batch = words[torch.randint(0, 8, (3, 6), generator=generator)]
    batch[1, 4:] = 0
    batch[2, 0] = words[7]
    return batch


@pytest.mark.parametrize("name", ENCODERS)
def test_numbers_and_gradients_are_those_of_every_token(name):
    embedder = TokenCharactersEncoder(Embedding(4, 9), ENCODERS[name]()).double()
    batch = sentences()
    found = embedder(batch)
    # Where padding counts, as much of it as the widest filter sees.
    padded = nn.functional.pad(batch, (0, 3))
    expected = torch.stack(
        [embedder._encoder._module(embedder._embedding._module(row), row != 0) for row in padded]
    )
    torch.testing.assert_close(found, expected)
    probe = torch.randn_like(expected)
    parameters = list(embedder.parameters())
    gradients = torch.autograd.grad(found, parameters, probe)
    for one, other in zip(gradients, torch.autograd.grad(expected, parameters, probe), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ENCODERS)
def test_text_fields_in_lists_and_nothing_but_padding(name):
    embedder = TokenCharactersEncoder(Embedding(4, 9), ENCODERS[name]())
    nested = sentences().view(3, 2, 3, 40)
    assert torch.equal(embedder(nested).view(3, 6, -1), embedder(sentences()))
    vectors = embedder(torch.zeros(2, 3, 5, dtype=torch.long))
    assert vectors.shape == (2, 3, embedder.get_output_dim()) and vectors.isfinite().all()


def test_dropout_is_drawn_for_each_token():
    embedder = TokenCharactersEncoder(Embedding(4, 9), CnnEncoder(4, 500), dropout=0.5)
    batch = torch.full((1, 2, 6), 3)
    first, second = embedder(batch)[0]
    assert not torch.equal(first == 0, second == 0)
    embedder.eval()
    first, second = embedder(batch)[0]
    assert torch.equal(first, second)


def test_a_foreign_encoder_sees_whole_rows():
    """One that says nothing of padding gets it all."""

    class Width(BagOfEmbeddingsEncoder):
        def padding_reach(self):
            return None

        def forward(self, tokens, mask=None):
            return torch.full((tokens.size(0), 4), float(tokens.size(1)))

    embedder = TokenCharactersEncoder(Embedding(4, 9), Width(4))
    assert (embedder(sentences()) == 40).all()


def test_groups_leave_little_padding():
    lengths = [70, 34, 33, 20, 17, 16, 9, 8, 8, 4, 1, 0]
    groups = list(_groups(lengths))
    assert groups == [(0, 1, 70), (1, 4, 34), (4, 7, 17), (7, 12, 8)]
    assert list(_groups([2, 1, 0])) == [(0, 3, 2)]
    assert list(_groups([])) == []


def test_in_a_config_and_names_of_the_weights():
    embedder = TokenEmbedder.from_params(
        Params(
            {
                "type": "character_encoding",
                "embedding": {"num_embeddings": 9, "embedding_dim": 4},
                "encoder": {"type": "cnn", "embedding_dim": 4, "num_filters": 5, "ngram_filter_sizes": [3]},
            }
        )
    )
    assert set(embedder.state_dict()) == {
        "_embedding._module.weight",
        "_encoder._module.conv_layer_0.weight",
        "_encoder._module.conv_layer_0.bias",
    }
    assert embedder.get_output_dim() == 5


def test_copies_are_independent():
    embedder = TokenCharactersEncoder(Embedding(4, 9), ENCODERS["cnn"]())
    twin = copy.deepcopy(embedder)
    nn.init.constant_(twin._embedding._module.weight, math.pi)
    assert not torch.equal(embedder(sentences()), twin(sentences()))
