"""The base class of token indexers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Dict, List  # noqa: UP035 - an alias that plugins import

import torch

from nlpreg.common.registrable import Registrable
from nlpreg.data.columns import WordColumn, can_use_batched, pad_rows
from nlpreg.data.tokenizers.token_class import Token

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary

IndexedTokenList = Dict[str, List[Any]]  # noqa: UP006
VocabCounter = Dict[str, Dict[str, int]]  # noqa: UP006


class TokenIndexer(Registrable):
    """Converts the tokens of a text to ids, and the ids to tensors, one for each argument of the matching embedder.

    A subclass implements `count_vocab_items`, `tokens_to_indices` and `get_empty_token_list`, and if its ids
    are not flat lists also `get_padding_lengths` and `as_padded_tensor_dict`.

    An indexer that needs only the texts of tokens may return True from `indexes_words` and implement `count_words` and
    `index_words`. A corpus is then counted and indexed by its distinct words, without `Token` objects; the
    results must equal those of the methods for single tokens. If a subclass overrides one of the latter, its override is
    called.

    Args:
        token_min_padding_length: pad to this many tokens at least.
    """

    default_implementation = "single_id"

    def __init__(self, token_min_padding_length: int = 0) -> None:
        self._token_min_padding_length = token_min_padding_length

    def _to_params(self) -> dict[str, Any]:
        section = self.all_arguments()
        # words around a text are arguments as strings, and mostly attributes as tokens
        for name in {"start_tokens", "end_tokens"} & section.keys():
            if section[name]:
                section[name] = [getattr(token, "text", token) for token in section[name]]
        return section

    def count_vocab_items(self, token: Token, counter: VocabCounter) -> None:
        """Count a token for the vocabulary: `counter[namespace][item] += 1`."""
        raise NotImplementedError(f"{type(self).__name__} has no count_vocab_items")

    def tokens_to_indices(self, tokens: list[Token], vocabulary: "Vocabulary") -> IndexedTokenList:
        """The ids of a text, under the name of each argument of the matching embedder."""
        raise NotImplementedError(f"{type(self).__name__} has no tokens_to_indices")

    def indices_to_tokens(self, indexed_tokens: IndexedTokenList, vocabulary: "Vocabulary") -> list[Token]:
        """The inverse of `tokens_to_indices`; not every indexer supports it."""
        raise NotImplementedError(f"{type(self).__name__} has no indices_to_tokens")

    def get_empty_token_list(self) -> IndexedTokenList:
        """The result of `tokens_to_indices` for no tokens, which pads lists of texts."""
        raise NotImplementedError(f"{type(self).__name__} has no get_empty_token_list")

    def get_padding_lengths(self, indexed_tokens: IndexedTokenList) -> dict[str, int]:
        """The length of each entry, at least the minimum padding length."""
        return self.padding_lengths_of_many([indexed_tokens])

    def as_padded_tensor_dict(
        self, tokens: IndexedTokenList, padding_lengths: dict[str, int]
    ) -> dict[str, torch.Tensor]:
        """The ids of one text as tensors of these lengths, padded with 0, or with False for booleans."""
        return {key: padded[0] for key, padded in self.pad_many([tokens], padding_lengths).items()}

    def indexes_words(self) -> bool:
        """Whether `count_words` and `index_words` may be called, because only the texts of tokens matter."""
        return False

    def count_words(self, counts: Mapping[str, int], counter: VocabCounter) -> None:
        """Count many tokens at once.

        Args:
            counts: how often each distinct text occurs, in the order of first appearance.
            counter: as in `count_vocab_items`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no count_words")

    def index_words(self, column: WordColumn, vocabulary: "Vocabulary") -> list[dict[str, Any]]:
        """Index many texts at once; the results may contain arrays instead of the lists of `tokens_to_indices`."""
        raise NotImplementedError(f"{type(self).__name__} has no index_words")

    def padding_lengths_of_many(self, texts: Sequence[IndexedTokenList]) -> dict[str, int]:
        """The maximum of `get_padding_lengths` over many texts, for each key."""
        least = self._token_min_padding_length
        return {key: max(least, *(len(text[key]) for text in texts)) for key in texts[0]}

    def pad_many(
        self, texts: Sequence[IndexedTokenList], padding_lengths: Mapping[str, int]
    ) -> dict[str, torch.Tensor]:
        """`as_padded_tensor_dict` of many texts, stacked."""
        return {
            key: torch.from_numpy(pad_rows([text[key] for text in texts], padding_lengths[key]))
            for key in texts[0]
        }

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # equal by value, and open to change


def can_count_words(indexer: TokenIndexer) -> bool:
    """Whether to call `count_words` instead of `count_vocab_items`."""
    return can_use_batched(type(indexer), "count_words", "count_vocab_items") and indexer.indexes_words()


def can_index_words(indexer: TokenIndexer) -> bool:
    """Whether to call `index_words` instead of `tokens_to_indices`."""
    return (
        can_use_batched(type(indexer), "index_words", "tokens_to_indices")
        and can_pad_many(indexer)
        and indexer.indexes_words()
    )


def can_pad_many(indexer: TokenIndexer) -> bool:
    """Whether to call the padding methods for many texts instead of those for one."""
    cls = type(indexer)
    return can_use_batched(cls, "padding_lengths_of_many", "get_padding_lengths") and can_use_batched(
        cls, "pad_many", "as_padded_tensor_dict"
    )
