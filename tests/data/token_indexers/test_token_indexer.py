from typing import Any

import pytest
import torch

from nlpreg.data import Token, TokenIndexer, Vocabulary
from nlpreg.data.token_indexers.token_indexer import can_count_words, can_index_words, can_pad_many


class Minimal(TokenIndexer):
    """A plugin's indexer with nothing but what it must have."""

    def count_vocab_items(self, token: Token, counter: dict[str, dict[str, int]]) -> None:
        counter["minimal"][token.ensure_text()] += 1

    def tokens_to_indices(self, tokens: list[Token], vocabulary: Vocabulary) -> dict[str, list[Any]]:
        return {"ids": [len(str(token)) for token in tokens], "mask": [True] * len(tokens)}

    def get_empty_token_list(self) -> dict[str, list[Any]]:
        return {"ids": [], "mask": []}


def test_registered_names() -> None:
    assert TokenIndexer.list_available()[0] == "single_id"
    assert {"characters", "elmo_characters", "spacy", "pretrained_transformer"} <= set(
        TokenIndexer.list_available()
    )
    assert "pretrained_transformer_mismatched" in TokenIndexer.list_available()


def test_padding_by_default() -> None:
    indexer = Minimal(token_min_padding_length=3)
    indexed = indexer.tokens_to_indices([Token("ab")], Vocabulary())
    assert indexer.get_padding_lengths(indexed) == {"ids": 3, "mask": 3}
    tensors = indexer.as_padded_tensor_dict(indexed, {"ids": 3, "mask": 2})
    assert tensors["ids"].tolist() == [2, 0, 0]
    assert tensors["ids"].dtype == torch.int64
    assert tensors["mask"].tolist() == [True, False]
    assert tensors["mask"].dtype == torch.bool
    long = indexer.tokens_to_indices([Token("a")] * 5, Vocabulary())
    assert indexer.get_padding_lengths(long) == {"ids": 5, "mask": 5}
    assert indexer.as_padded_tensor_dict(long, {"ids": 2, "mask": 2})["ids"].tolist() == [1, 1]


def test_padding_of_many_is_that_of_each() -> None:
    indexer = Minimal(2)
    texts = [indexer.tokens_to_indices([Token("ab")] * length, Vocabulary()) for length in (0, 1, 4)]
    lengths = indexer.padding_lengths_of_many(texts)
    assert lengths == {"ids": 4, "mask": 4}
    assert indexer.padding_lengths_of_many(texts[:2]) == {"ids": 2, "mask": 2}
    together = indexer.pad_many(texts, lengths)
    assert together["ids"].tolist() == [[0, 0, 0, 0], [2, 0, 0, 0], [2, 2, 2, 2]]
    assert together["mask"].dtype == torch.bool
    assert together["mask"].sum().item() == 5


def test_a_plugin_is_not_taken_for_more_than_it_is() -> None:
    indexer = Minimal()
    assert not can_count_words(indexer)
    assert not can_index_words(indexer)
    assert can_pad_many(indexer)


def test_equality() -> None:
    assert Minimal(1) == Minimal(1)
    assert Minimal(1) != Minimal(2)
    assert Minimal(1) != "x"


@pytest.mark.parametrize(
    "call",
    [
        lambda i: i.count_vocab_items(Token("a"), {}),
        lambda i: i.tokens_to_indices([], None),
        lambda i: i.indices_to_tokens({}, None),
        lambda i: i.get_empty_token_list(),
        lambda i: i.count_words({}, {}),
        lambda i: i.index_words(None, None),
    ],
)
def test_what_must_be_written(call: Any) -> None:
    with pytest.raises(NotImplementedError, match="TokenIndexer has no"):
        call(TokenIndexer())


@pytest.mark.parametrize("start_tokens", [["<s>"], [], None])
def test_params_of_a_plugin_that_holds_words_around_a_text_as_strings(start_tokens):
    class WithStart(TokenIndexer):
        def all_arguments(self) -> dict[str, Any]:
            return {"type": "with_start", "start_tokens": start_tokens}

    assert WithStart().to_params().as_dict() == {"type": "with_start", "start_tokens": start_tokens}
