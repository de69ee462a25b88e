"""One id for each token."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.columns import WordColumn, can_use_batched, split_rows, with_ends
from nlpreg.data.token_indexers.token_indexer import IndexedTokenList, TokenIndexer, VocabCounter
from nlpreg.data.tokenizers.token_class import Token, show_token

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary

# a value that no token attribute has: distinguishes "no default" from a default chosen by the user
_NO_DEFAULT = "THIS IS A REALLY UNLIKELY VALUE THAT HAS TO BE A STRING"


@TokenIndexer.register("single_id")
class SingleIdTokenIndexer(TokenIndexer):
    """Gives each token one id, that of its text or of another attribute.

    Args:
        namespace: namespace of the vocabulary to look it up in. If None, the attribute is the id itself, and
            nothing is counted.
        lowercase_tokens: whether to look up the lower-cased attribute.
        start_tokens: texts put before every sequence. They are looked up but not counted, so that they are
            unknown words unless the vocabulary has them for another reason.
        end_tokens: texts put after every sequence, as `start_tokens`.
        feature_name: the attribute of a token to use: "text", "pos_", "text_id", ...
        default_value: used for tokens without that attribute; by default they are an error.
        token_min_padding_length: pad to this many tokens at least.

    Shape:
        `{"tokens": (num_tokens,)}`, start and end tokens included.

    Raises:
        ValueError: when counting or indexing, a token without the attribute and no `default_value`.
    """

    def __init__(
        self,
        namespace: str | None = "tokens",
        lowercase_tokens: bool = False,
        start_tokens: list[str] | None = None,
        end_tokens: list[str] | None = None,
        feature_name: str = "text",
        default_value: str = _NO_DEFAULT,
        token_min_padding_length: int = 0,
    ) -> None:
        super().__init__(token_min_padding_length)
        self.namespace = namespace
        self.lowercase_tokens = lowercase_tokens
        self.feature_name = feature_name
        self.default_value: str | None = None if default_value == _NO_DEFAULT else default_value
        self._start_tokens = [Token(text) for text in start_tokens or []]
        self._end_tokens = [Token(text) for text in end_tokens or []]

    def count_vocab_items(self, token: Token, counter: VocabCounter) -> None:
        """Count the token's attribute."""
        if self.namespace is not None:
            counter[self.namespace][self._text_of(token)] += 1

    def tokens_to_indices(self, tokens: list[Token], vocabulary: "Vocabulary") -> IndexedTokenList:
        """An id for each token, under "tokens"."""
        everything = [*self._start_tokens, *tokens, *self._end_tokens]
        if self.namespace is None:
            return {"tokens": [self._get_feature_value(token) for token in everything]}
        return {"tokens": self._ids_of(map(self._text_of, everything), vocabulary)}

    def indices_to_tokens(self, indexed_tokens: IndexedTokenList, vocabulary: "Vocabulary") -> list[Token]:
        """Tokens with the texts of the ids; the original case and unknown words cannot be restored.

        Raises:
            ConfigurationError: there is no namespace to look up the ids in.
        """
        if self.namespace is None:
            raise ConfigurationError(
                f"single_id: expected a namespace to turn ids of {self.feature_name!r} back into tokens, got none"
            )
        return [
            Token(vocabulary.get_token_from_index(index, self.namespace))
            for index in indexed_tokens["tokens"]
        ]

    def get_empty_token_list(self) -> IndexedTokenList:
        """No ids."""
        return {"tokens": []}

    def indexes_words(self) -> bool:
        """True if the text of a token is looked up in the vocabulary."""
        return (
            self.namespace is not None
            and self.feature_name == "text"
            and can_use_batched(type(self), "index_words", "_get_feature_value", "_text_of")
        )

    def count_words(self, counts: Mapping[str, int], counter: VocabCounter) -> None:
        """Count distinct words, lower-cased if asked for."""
        assert self.namespace is not None  # see indexes_words
        totals = counter[self.namespace]
        for entry, count in zip(self._entries_of(list(counts)), counts.values(), strict=True):
            totals[entry] += count

    def index_words(self, column: WordColumn, vocabulary: "Vocabulary") -> list[dict[str, Any]]:
        """An array of ids for each text."""
        assert self.namespace is not None  # see indexes_words
        entries = self._entries_of(column.words)
        ids = np.array(self._ids_of(entries, vocabulary), np.int32)  # (distinct words,)
        start, end = (
            self._ids_of(map(self._text_of, tokens), vocabulary)
            for tokens in (self._start_tokens, self._end_tokens)
        )
        # distinct words are looked up once; a text is a selection of their ids
        rows = split_rows(*with_ends(ids[column.numbers], column.lengths, start, end))
        return [{"tokens": row} for row in rows]

    def _to_params(self) -> dict[str, Any]:
        section = super()._to_params()
        if section.get("default_value", "") is None:  # a subclass need not have this argument
            section["default_value"] = _NO_DEFAULT
        return section

    def _ids_of(self, words: Iterable[str], vocabulary: "Vocabulary") -> list[int]:
        """The ids of words; one that is written like the padding token is unknown, since that id means "no word"."""
        assert self.namespace is not None
        ids = vocabulary.get_token_indices(words, self.namespace)
        if 0 not in ids or not vocabulary.is_padded(self.namespace):
            return ids
        unknown = vocabulary.get_token_index(vocabulary.oov_token, self.namespace)
        return [index or unknown for index in ids]

    def _entries_of(self, words: Sequence[str]) -> Sequence[str]:
        """The strings that are looked up for words."""
        return [word.lower() for word in words] if self.lowercase_tokens else words

    def _text_of(self, token: Token) -> str:
        """The string that is looked up for a token."""
        return self._entries_of([self._get_feature_value(token)])[0]

    def _get_feature_value(self, token: Token) -> Any:
        """The attribute of a token that is indexed, or the default for it."""
        value = getattr(token, self.feature_name, None)
        if value is not None:
            return value
        if self.default_value is None:
            raise ValueError(
                f"single_id: expected a token with {self.feature_name!r}, got {show_token(token)}; "
                "choose a tokenizer that sets it, or give the indexer a default_value"
            )
        return self.default_value
