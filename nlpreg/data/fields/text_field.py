"""A text as a sequence of tokens."""

from __future__ import annotations

import copy
import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Dict, overload  # noqa: UP035 - an alias that plugins import

import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.columns import WordColumn, can_use_batched
from nlpreg.data.fields.field import NoTokenIndexersError, VocabCounter, merge_counts, new_counter
from nlpreg.data.fields.sequence_field import SequenceField
from nlpreg.data.token_indexers import token_indexer
from nlpreg.data.token_indexers.token_indexer import IndexedTokenList, TokenIndexer
from nlpreg.data.tokenizers import Token, Tokenizer

if TYPE_CHECKING:
    from typing_extensions import Self

    from nlpreg.data.vocabulary import Vocabulary

TextFieldTensors = Dict[str, Dict[str, torch.Tensor]]  # noqa: UP006

# between the name of an indexer and a key of its output, in padding keys
_SEPARATOR = "___"


class TextField(SequenceField[TextFieldTensors]):
    """A text, and the indexers that turn its tokens into tensors.

    `from_words` makes a field of strings: `Token` objects are created only when `tokens` is accessed.

    Args:
        tokens: the tokens, of nlpreg or of spaCy.
        token_indexers: the indexers, by the names that the text field embedder uses; None if
            `apply_token_indexers` of the reader sets them later.

    Shape:
        `{indexer: {key: tensor}}`; keys and shapes depend on the indexer.

    Raises:
        ConfigurationError: the items are not tokens, or tensors are requested before `index`.
        ValueError: the indexers are requested but were never set.
    """

    __slots__ = ("_indexed_tokens", "_token_indexers", "_tokens", "_words")

    def __init__(self, tokens: list[Token], token_indexers: dict[str, TokenIndexer] | None = None) -> None:
        for token in tokens:
            if not isinstance(token, Token) and not _is_spacy_token(token):
                raise ConfigurationError(
                    f"TextField: expected tokens, got {token!r} ({type(token).__name__}); tokenize the text first, or "
                    "make the field by TextField.from_words"
                )
        # Words and tokens are two forms of the same text; tokens are created on first access.
        self._words: list[str] | None = None  # set exactly while `_tokens` is None
        self._tokens: list[Token] | None = tokens
        self._token_indexers = token_indexers
        self._indexed_tokens: dict[str, IndexedTokenList] | None = None

    @classmethod
    def from_words(cls, words: list[str], token_indexers: dict[str, TokenIndexer] | None = None) -> Self:
        """A field of tokens that have only a text; cheaper than making `Token` objects."""
        field = cls([], token_indexers)
        field.words = words
        return field

    @classmethod
    def from_text(
        cls, text: str, tokenizer: Tokenizer, token_indexers: dict[str, TokenIndexer] | None = None
    ) -> Self:
        """A field of the tokens of a text, by `from_words` if the tokens have only a text."""
        words = None
        if can_use_batched(type(tokenizer), "split_words", "tokenize"):
            words = tokenizer.split_words(text)
        if words is None:
            return cls(tokenizer.tokenize(text), token_indexers)
        return cls.from_words(words, token_indexers)

    @property
    def tokens(self) -> list[Token]:
        """The tokens; after the first access, changes to this list change the field."""
        if self._tokens is None:
            self._tokens, self._words = [Token(word) for word in self._words or []], None
        return self._tokens

    @tokens.setter
    def tokens(self, tokens: list[Token]) -> None:
        self._tokens, self._words = tokens, None

    @property
    def words(self) -> list[str]:
        """The texts of the tokens; must not be changed."""
        if self._words is not None:
            return self._words
        return [token.text for token in self.tokens]  # type: ignore[misc]  # callers that need text check for None

    @words.setter
    def words(self, words: list[str]) -> None:
        self._tokens, self._words = None, words

    @property
    def holds_only_words(self) -> bool:
        """Whether the tokens have only a text."""
        return self._words is not None

    @property
    def has_token_indexers(self) -> bool:
        """Whether the token indexers are set."""
        return self._token_indexers is not None

    @property
    def indexed_tokens(self) -> dict[str, IndexedTokenList]:
        """The outputs of the indexers by name.

        Raises:
            ConfigurationError: they are not indexed yet.
        """
        if self._indexed_tokens is None:
            _ = self.token_indexers  # raises an error if there are no token indexers
            raise ConfigurationError(
                "this TextField is not indexed: call index(vocab) on it, or index_with(vocab) on the data loader, before "
                "asking for lengths or tensors"
            )
        return self._indexed_tokens

    @indexed_tokens.setter
    def indexed_tokens(self, indexed: dict[str, IndexedTokenList]) -> None:
        self._indexed_tokens = indexed

    @property
    def token_indexers(self) -> dict[str, TokenIndexer]:
        """The indexers by name."""
        if self._token_indexers is None:
            raise NoTokenIndexersError(self)
        return self._token_indexers

    @token_indexers.setter
    def token_indexers(self, token_indexers: dict[str, TokenIndexer]) -> None:
        self._token_indexers = token_indexers

    def count_vocab_items(self, counter: VocabCounter) -> None:
        """Count every token with every indexer."""
        for indexer in self.token_indexers.values():
            for token in self.tokens:
                indexer.count_vocab_items(token, counter)

    def index(self, vocab: Vocabulary) -> None:
        """Index the tokens with every indexer; without indexers the field stays unindexed."""
        if self._token_indexers is None:
            return
        self._indexed_tokens = {
            name: _indexed(indexer, self.tokens, vocab)
            for name, indexer in _checked(self.token_indexers).items()
        }

    def get_padding_lengths(self) -> dict[str, int]:
        """The lengths of each indexer, under `indexer___key`."""
        return self.padding_lengths_of_many([self])

    def as_tensor(self, padding_lengths: dict[str, int]) -> TextFieldTensors:
        """The padded tensors of every indexer."""
        indexed, lengths = self.indexed_tokens, _lengths_by_indexer(padding_lengths)
        return {
            name: indexer.as_padded_tensor_dict(indexed[name], lengths[name])
            for name, indexer in self.token_indexers.items()
        }

    def batch_tensors(self, tensor_list: list[TextFieldTensors]) -> TextFieldTensors:
        """Stack the tensors of each indexer and key."""
        return {
            name: {key: torch.stack([one[name][key] for one in tensor_list]) for key in tensors}
            for name, tensors in tensor_list[0].items()
        }

    def empty_field(self) -> TextField:
        """A text without tokens, for which every indexer gives its empty list."""
        field = TextField([], self._token_indexers)
        field.indexed_tokens = {
            name: indexer.get_empty_token_list() for name, indexer in (self._token_indexers or {}).items()
        }
        return field

    def group_key(self) -> Hashable:
        """Texts that share their indexers are counted and indexed together."""
        return id(self._token_indexers)

    @classmethod
    def count_many(cls, fields: Sequence[Self], counter: VocabCounter) -> None:
        """Count distinct words with every indexer that supports it, and tokens with the others."""
        # each distinct word is counted once, with its frequency
        words = Counter(itertools.chain.from_iterable(field.words for field in fields))
        counts = []
        for indexer in fields[0].token_indexers.values():
            counts.append(new_counter())
            if token_indexer.can_count_words(indexer) and None not in words:
                indexer.count_words(words, counts[-1])
            else:
                for token in itertools.chain.from_iterable(field.tokens for field in fields):
                    indexer.count_vocab_items(token, counts[-1])
        # two indexers share a namespace: the order of first appearance requires counting token by token
        if not merge_counts(counts, counter):
            super().count_many(fields, counter)

    @classmethod
    def index_many(cls, fields: Sequence[Self], vocab: Vocabulary) -> None:
        """Index distinct words with every indexer that supports it, and texts with the others."""
        if not fields[0].has_token_indexers:  # all fields of a group have the same indexers
            return
        column: WordColumn | None = None
        names, all_indexed = [], []
        for name, indexer in _checked(fields[0].token_indexers).items():
            names.append(name)
            if token_indexer.can_index_words(indexer):
                # made once for all indexers
                column = column or WordColumn([field.words for field in fields])
                if None not in column.words:
                    all_indexed.append(indexer.index_words(column, vocab))
                    continue
            all_indexed.append([_indexed(indexer, field.tokens, vocab) for field in fields])
        for field, *indexed in zip(fields, *all_indexed, strict=True):
            field.indexed_tokens = dict(zip(names, indexed, strict=True))

    @classmethod
    def padding_lengths_of_many(cls, fields: Sequence[Self]) -> dict[str, int]:
        """The maximum lengths of each indexer and key."""
        longest: dict[str, int] = {}
        for name, indexer in fields[0].token_indexers.items():
            texts = _indexed_texts(fields, name)
            if token_indexer.can_pad_many(indexer) and _share_indexers(fields):
                lengths = indexer.padding_lengths_of_many(texts)
            else:
                lengths = {}
                for field, text in zip(fields, texts, strict=True):
                    for key, length in field.token_indexers[name].get_padding_lengths(text).items():
                        lengths[key] = max(length, lengths.get(key, 0))
            longest.update((f"{name}{_SEPARATOR}{key}", length) for key, length in lengths.items())
        return longest

    @classmethod
    def as_tensor_of_many(
        cls, fields: Sequence[Self], padding_lengths: Mapping[str, int]
    ) -> TextFieldTensors:
        """The padded tensors of every indexer, one row for each field."""
        # a plugin's reader may give each text its own indexers
        if not _share_indexers(fields):
            return super().as_tensor_of_many(fields, padding_lengths)
        lengths = _lengths_by_indexer(padding_lengths)
        batch: TextFieldTensors = {}
        for name, indexer in fields[0].token_indexers.items():
            texts = _indexed_texts(fields, name)
            if token_indexer.can_pad_many(indexer):
                batch[name] = indexer.pad_many(texts, lengths[name])
            else:
                tensors = [indexer.as_padded_tensor_dict(text, lengths[name]) for text in texts]
                batch[name] = {key: torch.stack([one[key] for one in tensors]) for key in tensors[0]}
        return batch

    def sequence_length(self) -> int:
        """The number of tokens, without the start and end tokens of indexers."""
        return len(self)

    def human_readable_repr(self) -> list[str]:
        """The texts of the tokens."""
        return [str(word) for word in self.words]

    def duplicate(self) -> Self:
        """A copy of tokens and ids that shares the indexers, which may be large."""
        copied = type(self)([], self._token_indexers)
        if self._words is not None:
            copied.words = list(self._words)
        else:
            copied.tokens = copy.deepcopy(self.tokens)
        if self._indexed_tokens is not None:
            copied.indexed_tokens = copy.deepcopy(self._indexed_tokens)
        return copied

    def __len__(self) -> int:
        return len(self.tokens if self._words is None else self._words)

    def __iter__(self) -> Iterator[Token]:
        return iter(self.tokens)

    @overload
    def __getitem__(self, index: int) -> Token: ...
    @overload
    def __getitem__(self, index: slice) -> list[Token]: ...
    def __getitem__(self, index: int | slice) -> Token | list[Token]:
        return self.tokens[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TextField) and self.holds_only_words != other.holds_only_words:
            _ = self.tokens, other.tokens  # the same form for both
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # equal by value, and open to change

    def __str__(self) -> str:
        return f"TextField of length {len(self)} with text: {self.human_readable_repr()}"


def _is_spacy_token(token: object) -> bool:
    """Whether this is a spaCy token; spaCy is not imported."""
    return type(token).__module__.partition(".")[0] == "spacy"


def _indexed(indexer: TokenIndexer, tokens: list[Token], vocab: Vocabulary) -> IndexedTokenList:
    indexed = indexer.tokens_to_indices(tokens, vocab)
    if not isinstance(indexed, Mapping):  # such as the `BatchEncoding` of a tokenizer, which is no dict
        raise ConfigurationError(
            f'{type(indexer).__name__}.tokens_to_indices: expected a dictionary, such as {{"tokens": [3, 2]}}, got '
            f"{type(indexed).__name__} {indexed!r:.60}"
        )
    return indexed


def _checked(indexers: dict[str, TokenIndexer]) -> dict[str, TokenIndexer]:
    """The indexers, after checking that their names cannot be confused with padding keys."""
    for name in indexers:
        if _SEPARATOR in name:
            raise ConfigurationError(
                f"token_indexers: expected names without {_SEPARATOR!r}, got {name!r}; rename it"
            )
    return indexers


def _share_indexers(fields: Sequence[TextField]) -> bool:
    """Whether all fields have the same indexer objects."""
    return len({field.group_key() for field in fields}) == 1


def _indexed_texts(fields: Sequence[TextField], name: str) -> list[IndexedTokenList]:
    """The output of an indexer for each text."""
    return [field.indexed_tokens[name] for field in fields]


def _lengths_by_indexer(padding_lengths: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Split lengths under `indexer___key` by indexer."""
    lengths: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for name, length in padding_lengths.items():
        indexer, _, key = name.partition(_SEPARATOR)
        lengths[indexer][key] = length
    return lengths
