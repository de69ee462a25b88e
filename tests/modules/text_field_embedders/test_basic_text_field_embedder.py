"""Embedders side by side."""

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.modules.seq2vec_encoders import BagOfEmbeddingsEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder, TextFieldEmbedder
from nlpreg.modules.token_embedders import (
    Embedding,
    EmptyEmbedder,
    PassThroughTokenEmbedder,
    TokenCharactersEncoder,
    TokenEmbedder,
)


def build(**sizes):
    return TextFieldEmbedder.from_params(
        Params(
            {
                "token_embedders": {
                    name: {"type": "embedding", "num_embeddings": 9, "embedding_dim": size}
                    for name, size in sizes.items()
                }
            }
        )
    )


def test_parts_in_alphabetical_order_and_names_of_the_weights():
    embedder = build(words=2, chars=3)
    words, chars = torch.tensor([[1, 2, 0]]), torch.tensor([[3, 4, 0]])
    embedded = embedder({"words": {"tokens": words}, "chars": {"tokens": chars}})
    expected = [embedder.token_embedder_chars.weight[chars], embedder.token_embedder_words.weight[words]]
    assert torch.equal(embedded, torch.cat(expected, dim=2))
    assert embedder.get_output_dim() == 5
    assert set(embedder.state_dict()) == {"token_embedder_chars.weight", "token_embedder_words.weight"}
    assert set(embedder._token_embedders) == {"words", "chars"}


def test_the_flat_form_is_the_nested_one():
    embedder = build(words=2, chars=3)
    words, chars = torch.tensor([[1, 2, 0]]), torch.tensor([[3, 4, 0]])
    nested = embedder({"words": {"tokens": words}, "chars": {"any": chars}})
    assert torch.equal(embedder({"words": words, "chars": chars}), nested)
    assert torch.equal(embedder({"words": words, "chars": {"any": chars}}), nested)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["words"], r"no input for \['chars'\]"),
        (["words", "chars", "tags"], r"no embedder for \['tags'\]"),
        (["words", "char"], r"no embedder for \['char'\], no input for \['chars'\]"),
    ],
)
def test_keys_that_do_not_fit(given, problem):
    embedder = build(words=2, chars=3)
    with pytest.raises(ConfigurationError, match=problem):
        embedder({key: {"tokens": torch.zeros(1, 2, dtype=torch.long)} for key in given})


def test_empty_embedders_need_no_input_and_give_no_output():
    embedder = BasicTextFieldEmbedder({"a": EmptyEmbedder(), "b": PassThroughTokenEmbedder(2)})
    vectors = torch.randn(1, 3, 2)
    assert embedder({"b": {"tokens": vectors}}) is vectors
    assert embedder({"a": {"tokens": torch.zeros(1, 3)}, "b": {"tokens": vectors}}) is vectors
    assert embedder.get_output_dim() == 2
    with pytest.raises(ConfigurationError, match=r"no embedder for \['c'\]"):
        embedder({"b": {"tokens": vectors}, "c": {"tokens": vectors}})


class TwoArguments(TokenEmbedder):
    def get_output_dim(self):
        return 1

    def forward(self, ids, scale, shift=None):
        result = (ids * scale).unsqueeze(-1)
        return result if shift is None else result + shift


def test_several_tensors_go_by_name():
    embedder = BasicTextFieldEmbedder({"x": TwoArguments()})
    ids, scale = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])
    assert embedder({"x": {"scale": scale, "ids": ids}}).flatten().tolist() == [3, 8]


def test_further_arguments_reach_whoever_names_them():
    class Shifted(PassThroughTokenEmbedder):
        def forward(self, tokens, shift):
            return tokens + shift

    embedder = BasicTextFieldEmbedder(
        {"x": Shifted(1), "y": PassThroughTokenEmbedder(1), "z": TwoArguments()}
    )
    zeros = torch.zeros(1, 1, 1)
    flat = torch.zeros(1, 1)
    embedded = embedder(
        {"x": {"any": zeros}, "y": {"any": zeros}, "z": {"ids": flat, "scale": flat}}, shift=5
    )
    assert embedded.flatten().tolist() == [5, 0, 5]


def test_text_fields_in_lists():
    embedder = BasicTextFieldEmbedder({"x": TwoArguments()})
    ids, scale = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    embedded = embedder({"x": {"ids": ids, "scale": scale}}, num_wrapping_dims=1)
    assert torch.equal(embedded.squeeze(-1), ids * scale)
    embedded = build(words=2)(
        {"words": {"tokens": torch.zeros(2, 3, 4, 5, dtype=torch.long)}}, num_wrapping_dims=2
    )
    assert embedded.shape == (2, 3, 4, 5, 2)


def test_a_table_too_small_for_the_ids_is_named():
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(["a", "b"], "tokens")  # with padding and unknown, four ids
    characters = TokenCharactersEncoder(Embedding(3, vocab=vocab), BagOfEmbeddingsEncoder(3))
    embedder = BasicTextFieldEmbedder({"chars": characters, "words": Embedding(3, 5)})
    words, letters = torch.tensor([[1, 4]]), torch.tensor([[[1, 3], [2, 0]]])
    embedder({"chars": {"token_characters": letters}, "words": {"tokens": words}})
    with pytest.raises(
        ConfigurationError,
        match=r"token_embedders.chars: the indexer 'chars' .* 0 to 3, .* 4 rows .* namespace 'tokens' .* got 9; "
        "set vocab_namespace",
    ):
        embedder({"chars": {"token_characters": letters.clamp(min=9)}, "words": {"tokens": words}})
    with pytest.raises(
        ConfigurationError,
        match=r"token_embedders.words: .* ids from 0 to 4, .*num_embeddings, .* got 5; raise num_embeddings to 6",
    ):
        embedder({"chars": {"token_characters": letters}, "words": {"tokens": words + 1}})


def test_the_order_is_a_seam_for_subclasses():
    class Reversed(BasicTextFieldEmbedder):
        def __init__(self, token_embedders):
            super().__init__(token_embedders)
            self._ordered_embedder_keys.reverse()

    embedders = {name: PassThroughTokenEmbedder(1) for name in ("a", "b")}
    inputs = {"a": {"x": torch.tensor([[[1.0]]])}, "b": {"x": torch.tensor([[[2.0]]])}}
    assert BasicTextFieldEmbedder(embedders)(inputs).tolist() == [[[1.0, 2.0]]]
    assert Reversed(embedders)(inputs).tolist() == [[[2.0, 1.0]]]
