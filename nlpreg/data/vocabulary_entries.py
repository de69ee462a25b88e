"""The entries of a vocabulary: adding them, looking them up, saving them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.vocabulary_building import NamespaceTables
from nlpreg.data.vocabulary_files import lock_of, read_tokens, write_namespace, write_patterns
from nlpreg.data.whole_list import speaks_for

logger = logging.getLogger(__name__)

DEFAULT_PADDING_TOKEN = "@@PADDING@@"
DEFAULT_OOV_TOKEN = "@@UNKNOWN@@"


class UnknownTokenError(ConfigurationError, KeyError):
    """A token without an id where nothing stands for unknown ones: as a rule a label not seen before."""


class VocabularyEntries:
    """Ids for strings, in namespaces; see `Vocabulary` for what those are.

    Args:
        non_padded_namespaces: names, or `*suffix`, of namespaces without padding and unknown entries.
        padding_token: the entry with id 0 of padded namespaces.
        oov_token: the entry for everything unknown.
    """

    def __init__(
        self,
        non_padded_namespaces: Iterable[str],
        padding_token: str | None = DEFAULT_PADDING_TOKEN,
        oov_token: str | None = DEFAULT_OOV_TOKEN,
    ) -> None:
        self._padding_token = DEFAULT_PADDING_TOKEN if padding_token is None else padding_token
        self._oov_token = DEFAULT_OOV_TOKEN if oov_token is None else oov_token
        self._non_padded_namespaces = set(non_padded_namespaces)
        self._token_to_index: NamespaceTables[str, int] = NamespaceTables(
            self._non_padded_namespaces, {self._padding_token: 0, self._oov_token: 1}
        )
        self._index_to_token: NamespaceTables[int, str] = NamespaceTables(
            self._non_padded_namespaces, {0: self._padding_token, 1: self._oov_token}
        )

    def add_token_to_namespace(self, token: str, namespace: str = "tokens") -> int:
        """The id of a token, a new one if it has none yet.

        Raises:
            ValueError: the token is no str.
        """
        if not isinstance(token, str):
            raise ValueError(
                f"vocabulary: expected str tokens in {namespace!r}, got {token!r} ({type(token).__name__})"
            )
        ids = self._token_to_index[namespace]
        index = ids.get(token)
        if index is None:
            tokens = self._index_to_token[namespace]
            index = len(tokens)
            ids[token], tokens[index] = index, token
        return index

    def add_tokens_to_namespace(self, tokens: list[str], namespace: str = "tokens") -> list[int]:
        """The ids of tokens, new ones for those that have none yet."""
        if set(map(type, tokens)) != {str} or not speaks_for(
            type(self), "add_tokens_to_namespace", "add_token_to_namespace"
        ):
            return [self.add_token_to_namespace(token, namespace) for token in tokens]
        ids, by_id = self._token_to_index[namespace], self._index_to_token[namespace]
        new = [token for token in dict.fromkeys(tokens) if token not in ids]
        numbers = range(len(by_id), len(by_id) + len(new))
        ids.update(zip(new, numbers, strict=True))
        by_id.update(zip(numbers, new, strict=True))
        return [ids[token] for token in tokens]

    def get_token_index(self, token: str, namespace: str = "tokens") -> int:
        """The id of a token, or that of unknown tokens.

        Raises:
            UnknownTokenError: a `KeyError`: it has none, and the namespace has no entry for unknown tokens.
        """
        ids = self._token_to_index.peek(namespace)
        index = ids.get(token)
        if index is None:
            index = ids.get(self._oov_token)
        if index is None:
            raise self._unknown(token, namespace)
        return index

    def get_token_indices(self, tokens: Iterable[str], namespace: str = "tokens") -> list[int]:
        """The ids of many tokens; the same as `get_token_index` of each."""
        if not speaks_for(type(self), "get_token_indices", "get_token_index"):
            return [self.get_token_index(token, namespace) for token in tokens]
        ids = self._token_to_index.peek(namespace)
        unknown = ids.get(self._oov_token)
        if unknown is not None:
            return [ids.get(token, unknown) for token in tokens]
        try:
            return [ids[token] for token in tokens]
        except KeyError as error:
            raise self._unknown(error.args[0], namespace) from None

    def get_token_from_index(self, index: int, namespace: str = "tokens") -> str:
        """The token with an id.

        Raises:
            KeyError: there is none.
        """
        tokens = self._index_to_token.peek(namespace)
        if index not in tokens:
            raise KeyError(
                f"vocabulary: expected an id below {len(tokens)} in the namespace {namespace!r}, got {index}"
            )
        return tokens[index]

    def get_vocab_size(self, namespace: str = "tokens") -> int:
        """How many entries a namespace has, padding and unknown included."""
        return len(self._token_to_index.peek(namespace))

    def get_namespaces(self) -> set[str]:
        """The namespaces that have entries."""
        return set(self._index_to_token)

    def get_index_to_token_vocabulary(self, namespace: str = "tokens") -> dict[int, str]:
        """The table from ids to tokens itself, not a copy."""
        return self._index_to_token[namespace]

    def get_token_to_index_vocabulary(self, namespace: str = "tokens") -> dict[str, int]:
        """The table from tokens to ids itself, not a copy."""
        return self._token_to_index[namespace]

    def is_padded(self, namespace: str) -> bool:
        """Whether id 0 of a namespace is the padding token."""
        return self._index_to_token.peek(namespace).get(0) == self._padding_token

    # Any: a tokenizer of the optional transformers package
    def add_transformer_vocab(self, tokenizer: Any, namespace: str = "tokens") -> None:
        """Take over the entries of a transformers tokenizer and their ids; the namespace is not padded."""
        try:
            entries = tokenizer.get_vocab()
        except NotImplementedError:
            entries = {tokenizer.convert_ids_to_tokens(index): index for index in range(tokenizer.vocab_size)}
        self._non_padded_namespaces.add(namespace)
        self._token_to_index[namespace].update(entries)
        by_id = sorted((index, token) for token, index in entries.items())
        self._index_to_token[namespace].update(by_id)

    def set_from_file(
        self,
        filename: str,
        is_padded: bool = True,
        oov_token: str = DEFAULT_OOV_TOKEN,
        namespace: str = "tokens",
    ) -> None:
        """Replace the entries of a namespace by those of a file, an entry a line in the order of ids.

        Args:
            filename: the file, UTF-8.
            is_padded: whether ids start from 1, the padding token not being in the file, or from 0.
            oov_token: the line that stands for unknown tokens.
            namespace: the namespace.

        Raises:
            AssertionError: the namespace is padded, and no line is `oov_token`.
        """
        if is_padded:
            self._token_to_index[namespace] = {self._padding_token: 0}
            self._index_to_token[namespace] = {0: self._padding_token}
        else:
            self._token_to_index[namespace] = {}
            self._index_to_token[namespace] = {}
        tokens = [self._oov_token if token == oov_token else token for token in read_tokens(filename)]
        numbered = dict(enumerate(tokens, start=int(is_padded)))
        self._index_to_token[namespace].update(numbered)
        self._token_to_index[namespace].update((token, index) for index, token in numbered.items())
        assert not is_padded or self._oov_token in self._token_to_index[namespace], (
            f"{filename}: expected a line {oov_token!r} for unknown tokens, since the namespace {namespace!r} is padded; "
            "if the file was saved with another oov_token, give that one"
        )

    def save_to_files(self, directory: str) -> None:
        """Save everything but counts into a folder, made if need be; `from_files` is the way back."""
        os.makedirs(directory, exist_ok=True)
        if os.listdir(directory):
            logger.warning(
                "the folder %s of the vocabulary is not empty; files in it are overwritten", directory
            )
        with lock_of(directory):
            write_patterns(directory, self._non_padded_namespaces)
            for namespace, tokens in self._index_to_token.items():
                write_namespace(directory, namespace, tokens, int(self.is_padded(namespace)))

    def _unknown(self, token: str, namespace: str) -> UnknownTokenError:
        known = sorted(map(str, self._token_to_index.peek(namespace)))
        some = ", ".join(map(repr, known[:10])) + (", ..." if len(known) > 10 else "")
        return UnknownTokenError(
            f"{token!r} is not in the namespace {namespace!r} of the vocabulary, which has no entry for unknown tokens. "
            f"It holds {len(known)}: {some or 'nothing'}. A label like this occurs in the data at hand but not in the "
            "data that the vocabulary was made from: correct the data, or make the vocabulary from this data too, or "
            "name the label in the vocabulary's tokens_to_add"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VocabularyEntries):
            return NotImplemented
        return (
            self._token_to_index == other._token_to_index
            and self._index_to_token == other._index_to_token
            and self._non_padded_namespaces == other._non_padded_namespaces
        )

    __hash__ = None  # type: ignore[assignment]  # equal by value, and open to change

    def __str__(self) -> str:
        sizes = "".join(
            f"\tNamespace: {name}, Size: {self.get_vocab_size(name)} \n" for name in self._index_to_token
        )
        return (
            f"Vocabulary with namespaces:\n \tNon Padded Namespaces: {self._non_padded_namespaces}\n{sizes}"
        )

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {self.get_vocab_size(name)}" for name in self._index_to_token)
        return f"<{type(self).__name__} with namespaces {sizes or 'none'}>"
