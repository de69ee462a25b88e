"""The ids of the characters of each token."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import columns
from nlpreg.data.token_indexers.token_indexer import IndexedTokenList, TokenIndexer, VocabCounter
from nlpreg.data.tokenizers.character_tokenizer import CharacterTokenizer
from nlpreg.data.tokenizers.token_class import Token, show_token

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary


@TokenIndexer.register("characters")
class TokenCharactersIndexer(TokenIndexer):
    """Gives each token the ids of its characters, for encoders that compose words from characters.

    Args:
        namespace: namespace of the vocabulary that holds the characters.
        character_tokenizer: splits tokens into characters. Characters with a `text_id` (bytes) keep it and are neither
            counted nor looked up.
        start_tokens: words put before every sequence; they are not counted.
        end_tokens: words put after every sequence; they are not counted.
        min_padding_length: pad every token to at least this many characters, for encoders that do not accept shorter
            words. The encoders of nlpreg do.
        token_min_padding_length: pad to this many tokens at least.

    Shape:
        `{"token_characters": (num_tokens, num_characters)}`.

    Raises:
        ConfigurationError: when counting or indexing, a token without text.
    """

    def __init__(
        self,
        namespace: str = "token_characters",
        character_tokenizer: CharacterTokenizer = CharacterTokenizer(),  # noqa: B008 - it holds no state that changes
        start_tokens: list[str] | None = None,
        end_tokens: list[str] | None = None,
        min_padding_length: int = 0,
        token_min_padding_length: int = 0,
    ) -> None:
        super().__init__(token_min_padding_length)
        if min_padding_length == 0:
            warnings.warn(
                "characters: min_padding_length is 0, so a batch of short words may be narrower than the widest filter "
                "of a CNN over their characters; nlpreg's CNNs support that, other encoders may need that width",
                UserWarning,
                stacklevel=2,
            )
        self._namespace = namespace
        self._character_tokenizer = character_tokenizer
        self._min_padding_length = min_padding_length
        self._start_tokens = [Token(text) for text in start_tokens or []]
        self._end_tokens = [Token(text) for text in end_tokens or []]

    def count_vocab_items(self, token: Token, counter: VocabCounter) -> None:
        """Count the characters of a token."""
        for symbol in self._symbols(self._text_of(token)):
            if isinstance(symbol, str):
                counter[self._namespace][symbol] += 1

    def tokens_to_indices(self, tokens: list[Token], vocabulary: Vocabulary) -> IndexedTokenList:
        """A list of ids for each token, under "token_characters"."""
        everything = [*self._start_tokens, *tokens, *self._end_tokens]
        rows = [self._symbols(self._text_of(token)) for token in everything]
        id_of = self._ids(rows, vocabulary)
        return {"token_characters": [[id_of[symbol] for symbol in row] for row in rows]}

    def get_empty_token_list(self) -> IndexedTokenList:
        """No tokens."""
        return {"token_characters": []}

    def indexes_words(self) -> bool:
        """True: only the text of a token is used."""
        return columns.can_use_batched(type(self), "index_words", "_text_of")

    def count_words(self, counts: Mapping[str, int], counter: VocabCounter) -> None:
        """Count the characters of distinct words."""
        column = self._column(list(counts))
        of_words = np.fromiter(counts.values(), np.int64, len(counts))
        # a character counts once per occurrence of its word
        totals = np.bincount(column.numbers, np.repeat(of_words, column.lengths), len(column.words))
        for symbol, total in zip(column.words, totals.astype(np.int64).tolist(), strict=True):
            if isinstance(symbol, str):
                counter[self._namespace][symbol] += total

    def index_words(self, column: columns.WordColumn, vocabulary: Vocabulary) -> list[dict[str, Any]]:
        """For each text, rows of a table that holds each distinct word once."""
        start, end = (
            [token.ensure_text() for token in tokens] for tokens in (self._start_tokens, self._end_tokens)
        )
        # the rows of the start and end words come after those of the texts
        table = self._table([*column.words, *start, *end], vocabulary)
        first_end = len(column.words) + len(start)
        numbers, lengths = columns.with_ends(
            column.numbers,
            column.lengths,
            range(len(column.words), first_end),
            range(first_end, first_end + len(end)),
        )
        return [
            {"token_characters": columns.TableRows(table, row)}
            for row in columns.split_rows(numbers, lengths)
        ]

    def padding_lengths_of_many(self, texts: Sequence[IndexedTokenList]) -> dict[str, int]:
        """The greatest numbers of tokens and of characters."""
        rows = [text["token_characters"] for text in texts]
        return {
            "token_characters": max(self._token_min_padding_length, *map(len, rows)),
            "num_token_characters": int(
                columns.lengths_of_elements(rows).max(initial=self._min_padding_length)
            ),
        }

    def pad_many(
        self, texts: Sequence[IndexedTokenList], padding_lengths: Mapping[str, int]
    ) -> dict[str, torch.Tensor]:
        """Ids of many texts: `(num_texts, num_tokens, num_characters)`."""
        padded = columns.pad_elements(
            [text["token_characters"] for text in texts],
            padding_lengths["token_characters"],
            padding_lengths["num_token_characters"],
        )
        return {"token_characters": torch.from_numpy(padded)}

    def _text_of(self, token: Token) -> str:
        """The text of a token; a token without text is an error."""
        if token.text is None:
            raise ConfigurationError(
                f"characters: expected tokens with text, got {show_token(token)}; this indexer does not go with a "
                "tokenizer that gives ids alone"
            )
        return token.text

    def _symbols(self, word: str) -> list[str | int]:
        """The characters of a word: strings to look up, or ints that are ids."""
        tokenizer = self._character_tokenizer
        if columns.can_use_batched(type(tokenizer), "symbols", "tokenize"):
            return tokenizer.symbols(word)
        return [
            token.ensure_text() if getattr(token, "text_id", None) is None else int(token.text_id or 0)
            for token in tokenizer.tokenize(word)
        ]

    def _ids(self, rows: Sequence[Sequence[str | int]], vocabulary: Vocabulary) -> dict[str | int, int]:
        """The id of each distinct symbol."""
        distinct = dict.fromkeys(itertools.chain.from_iterable(rows))
        texts = [symbol for symbol in distinct if isinstance(symbol, str)]
        id_of: dict[str | int, int] = {symbol: symbol for symbol in distinct if isinstance(symbol, int)}
        id_of.update(zip(texts, vocabulary.get_token_indices(texts, self._namespace), strict=True))
        return id_of

    def _table(self, words: Sequence[str], vocabulary: Vocabulary) -> columns.RowTable:
        """The ids of the characters of each word."""
        column = self._column(words)
        id_of = self._ids([column.words], vocabulary)
        ids = np.array([id_of[symbol] for symbol in column.words], np.int64)
        return columns.RowTable(ids[column.numbers], column.lengths)

    def _column(self, words: Sequence[str]) -> columns.CharacterColumn | columns.WordColumn:
        """The symbols of words."""
        tokenizer = self._character_tokenizer
        plain = None
        # the fast path, unless a subclass of the tokenizer splits words differently
        if columns.can_use_batched(type(tokenizer), "plain_words", "symbols", "tokenize", "_body"):
            plain = tokenizer.plain_words(words)
        if plain is not None:
            return columns.CharacterColumn(plain)
        rows: list[Any] = [self._symbols(word) for word in words]
        return columns.WordColumn(rows)
