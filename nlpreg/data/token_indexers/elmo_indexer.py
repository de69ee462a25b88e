"""The fixed character ids that ELMo models read."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nlpreg.data.columns import RowTable, TableRows, WordColumn, lengths_of, pad_elements, split_rows
from nlpreg.data.token_indexers.token_indexer import IndexedTokenList, TokenIndexer, VocabCounter
from nlpreg.data.tokenizers.token_class import Token

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary


class ELMoCharacterMapper:
    """Converts words to the 50 ids that ELMo reads: UTF-8 bytes between boundary marks, then padding, all plus 1.

    Args:
        tokens_to_add: words that are represented by a single id instead of bytes, such as `{"[MASK]": 261}`.

    Source: Peters et al. (2018), https://arxiv.org/abs/1802.05365, and the character ids of the published
    models.
    """

    max_word_length = 50

    # 0 to 255 are bytes
    beginning_of_sentence_character = 256
    end_of_sentence_character = 257
    beginning_of_word_character = 258
    end_of_word_character = 259
    padding_character = 260

    bos_token = "<S>"
    eos_token = "</S>"

    def __init__(self, tokens_to_add: dict[str, int] | None = None) -> None:
        self.tokens_to_add = tokens_to_add or {}

    def convert_word_to_char_ids(self, word: str) -> list[int]:
        """The 50 ids of a word, from 1, since 0 is padding; bytes after the 48th are dropped."""
        middle: Sequence[int]
        if word in self.tokens_to_add:
            middle = [self.tokens_to_add[word]]
        elif word == self.bos_token:
            middle = [self.beginning_of_sentence_character]
        elif word == self.eos_token:
            middle = [self.end_of_sentence_character]
        else:
            # two of the fifty positions are for the begin and end marks
            middle = word.encode("utf-8", "ignore")[: self.max_word_length - 2]
        ids = [self.beginning_of_word_character, *middle, self.end_of_word_character]
        ids += [self.padding_character] * (self.max_word_length - len(ids))
        # 0 is padding of the sequence
        return [character + 1 for character in ids]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ELMoCharacterMapper):
            return self.tokens_to_add == other.tokens_to_add
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equal by value, and open to change


@TokenIndexer.register("elmo_characters")
class ELMoTokenCharactersIndexer(TokenIndexer):
    """Gives each token the 50 character ids of `ELMoCharacterMapper`, without a vocabulary.

    Args:
        namespace: accepted for old configs; nothing is looked up.
        tokens_to_add: as in `ELMoCharacterMapper`.
        token_min_padding_length: pad to this many tokens at least.

    Shape:
        `{"elmo_tokens": (num_tokens, 50)}`.

    Raises:
        ValueError: when indexing, a token without text.
    """

    def __init__(
        self,
        namespace: str = "elmo_characters",
        tokens_to_add: dict[str, int] | None = None,
        token_min_padding_length: int = 0,
    ) -> None:
        super().__init__(token_min_padding_length)
        self._namespace = namespace
        self._mapper = ELMoCharacterMapper(tokens_to_add)

    def _to_params(self) -> dict[str, Any]:
        return {**self.all_arguments(), "tokens_to_add": self._mapper.tokens_to_add}

    def count_vocab_items(self, token: Token, counter: VocabCounter) -> None:
        """Count nothing."""

    def tokens_to_indices(self, tokens: list[Token], vocabulary: "Vocabulary") -> IndexedTokenList:
        """50 ids for each token, under "elmo_tokens"."""
        convert = self._mapper.convert_word_to_char_ids
        return {"elmo_tokens": [convert(token.ensure_text()) for token in tokens]}

    def get_empty_token_list(self) -> IndexedTokenList:
        """No tokens."""
        return {"elmo_tokens": []}

    def indexes_words(self) -> bool:
        """True: only the text of a token is used."""
        return True

    def count_words(self, counts: Mapping[str, int], counter: VocabCounter) -> None:
        """Count nothing."""

    def index_words(self, column: WordColumn, vocabulary: "Vocabulary") -> list[dict[str, Any]]:
        """For each text, rows of a table that holds each distinct word once."""
        rows = [self._mapper.convert_word_to_char_ids(word) for word in column.words]
        ids = np.fromiter(itertools.chain.from_iterable(rows), np.int64)
        table = RowTable(ids, lengths_of(rows))
        return [
            {"elmo_tokens": TableRows(table, numbers)}
            for numbers in split_rows(column.numbers, column.lengths)
        ]

    def pad_many(
        self, texts: Sequence[IndexedTokenList], padding_lengths: Mapping[str, int]
    ) -> dict[str, torch.Tensor]:
        """Ids of many texts: `(num_texts, num_tokens, 50)`."""
        rows = [text["elmo_tokens"] for text in texts]
        padded = pad_elements(rows, padding_lengths["elmo_tokens"], ELMoCharacterMapper.max_word_length)
        return {"elmo_tokens": torch.from_numpy(padded)}
