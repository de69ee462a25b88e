"""The vocabulary: the mapping between strings and ids."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from nlpreg.common import Registrable, Tqdm, cached_transformers
from nlpreg.common.checks import ConfigurationError, ConfigurationValueError
from nlpreg.common.digests import check_digests, forget_digests, record_digests
from nlpreg.common.embeddings_file import EmbeddingsTextFile
from nlpreg.common.file_utils import FileLock, cached_path
from nlpreg.common.files import atomic_write, read_text
from nlpreg.common.runtime.memory import reduced_garbage_collection
from nlpreg.common.util import lazy_groups_of, namespace_match
from nlpreg.data.columns import can_use_batched
from nlpreg.data.fields.field import count_fields, new_counter
from nlpreg.data.instance import Instance, naming_fields

logger = logging.getLogger(__name__)

NAMESPACE_PADDING_FILE = "non_padded_namespaces.txt"

_LINE_END = re.compile(r"\r?\n")
_NEWLINE = "@@NEWLINE@@"
_BYTE_ORDER_MARK = "\ufeff"
# AllenNLP's format has no such escape and loses these tokens: at the end of a line they are read as part of the line end.
_CARRIAGE_RETURN = "@@CARRIAGERETURN@@"
# Begins the line of a token that the escapes above would change, such as "@@NEWLINE@@" itself; a JSON string follows.
_QUOTED = "@@QUOTED@@"


def _lock_of(directory: str | os.PathLike[str]) -> FileLock:
    """The lock of a vocabulary's folder."""
    return FileLock(os.path.join(directory, ".lock"), read_only_ok=True)


def write_patterns(directory: str | os.PathLike[str], patterns: Iterable[str]) -> str:
    """Write the patterns of the non-padded namespaces, and return the name of the file."""
    _write_lines(os.path.join(directory, NAMESPACE_PADDING_FILE), sorted(patterns))
    return NAMESPACE_PADDING_FILE


def read_patterns(directory: str | os.PathLike[str]) -> list[str]:
    """The patterns of the non-padded namespaces.

    Raises:
        ConfigurationError: the folder does not have this file, so it is not that of a vocabulary.
    """
    path = Path(directory, NAMESPACE_PADDING_FILE)
    if not path.is_file():
        raise ConfigurationError(
            f"{directory}: expected a folder that a vocabulary was saved in, but it has no {NAMESPACE_PADDING_FILE}"
        )
    return [line.strip() for line in read_lines(path) if line.strip()]


def write_namespace(
    directory: str | os.PathLike[str], namespace: str, tokens: Mapping[int, str], first_id: int
) -> str:
    """Write the tokens with ids from `first_id` on, with a line also for each id without a token.

    Returns:
        The name of the file.

    Raises:
        ConfigurationError: the name of the namespace is not a valid file name.
    """
    is_plain = os.path.basename(namespace) == namespace and "\0" not in namespace
    if not is_plain or namespace.startswith(".") or f"{namespace}.txt" == NAMESPACE_PADDING_FILE:
        raise ConfigurationError(
            f"namespace {namespace!r}: a vocabulary is saved with a file for each namespace, and this is not a valid "
            "file name; choose another name"
        )
    ids = range(first_id, max(tokens, default=-1) + 1)
    # ids of a transformer may have gaps
    lines = (_escape(tokens.get(index, f"@@UNUSED{index}@@")) for index in ids)
    name = f"{namespace}.txt"
    _write_lines(os.path.join(directory, name), lines)
    return name


def namespace_files(directory: str | os.PathLike[str]) -> dict[str, Path]:
    """Namespace -> file, for the files in a vocabulary's folder, sorted."""
    return {
        path.name.removesuffix(".txt"): path
        for path in sorted(Path(directory).iterdir())
        if path.is_file() and path.name != NAMESPACE_PADDING_FILE and not path.name.startswith(".")
    }


def read_tokens(path: str | os.PathLike[str]) -> list[str]:
    """The tokens of a namespace file, in the order of its lines.

    Raises:
        ConfigurationError: a token occurs twice, which makes its id ambiguous.
    """
    tokens = [_unescape(line) if "@@" in line else line for line in read_lines(path)]
    line_of: dict[str, int] = {}
    for number, token in enumerate(tokens, start=1):
        first = line_of.setdefault(token, number)
        if first != number:
            what = repr(token) if token else "a blank line"
            raise ConfigurationError(
                f"{path}, line {number}: expected every token once, got {what}, as in line {first}; remove one of the two"
            )
    if "" in line_of:
        logger.warning("%s, line %d: a blank line, which stands for the empty token", path, line_of[""])
    return tokens


def find_vocabulary_folder(directory: str | os.PathLike[str]) -> str:
    """The folder itself, or the one inside an archive, which is extracted.

    Raises:
        FileNotFoundError: the path does not exist.
        ConfigurationError: it is neither a folder nor an archive.
    """
    folder = cached_path(directory, extract_archive=True)
    if not os.path.isdir(folder):
        raise ConfigurationError(
            f"{directory}: expected the folder of a vocabulary, or an archive of one, got a plain file"
        )
    # in the archive of a model it is one level deeper
    inner = os.path.join(folder, "vocabulary")
    return inner if os.path.isdir(inner) else folder


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a UTF-8 file, which may begin with a byte-order mark.

    Lines end in LF or CRLF only; the last one may have no line end.

    Raises:
        ConfigurationError: it is not UTF-8.
    """
    lines = _LINE_END.split(read_text(path))
    if lines[-1] == "":
        lines.pop()
    return lines


def _escape(token: str) -> str:
    """Escape a token so that it fits on one line."""
    line = token.replace("\n", _NEWLINE)
    line = line[:-1] + _CARRIAGE_RETURN if line.endswith("\r") else line
    return line if "@@" not in line or _unescape(line) == token else _QUOTED + json.dumps(token)


def _unescape(line: str) -> str:
    """The token that a line stands for."""
    quoted = line.removeprefix(_QUOTED)
    if quoted != line:
        with contextlib.suppress(ValueError):  # it is such a token itself, of a file that knows no quotes
            token = json.loads(quoted)
            if isinstance(token, str):
                return token
    return line.replace(_NEWLINE, "\n").replace(_CARRIAGE_RETURN, "\r")


def _write_lines(path: str, lines: Iterable[str]) -> None:
    with atomic_write(path, "w", newline="\n") as file:
        for number, line in enumerate(lines):
            # without another one, a first token that begins with a byte-order mark would lose it on reading
            if number == 0 and line.startswith(_BYTE_ORDER_MARK):
                file.write(_BYTE_ORDER_MARK)
            file.write(f"{line}\n")


# Number of instances in memory while a stream of instances is counted.
_INSTANCES_AT_ONCE = 8192

K = TypeVar("K")
V = TypeVar("V")


class NamespaceTables(dict[str, dict[K, V]]):
    """A table for each namespace, created on first access.

    Args:
        patterns: the non-padded namespaces; shared with the vocabulary, which may add to it.
        first_entries: the first entries of tables of padded namespaces.
    """

    def __init__(self, patterns: set[str], first_entries: Mapping[K, V]) -> None:
        super().__init__()
        self.patterns = patterns
        self.first_entries = dict(first_entries)

    def __missing__(self, namespace: str) -> dict[K, V]:
        table = self[namespace] = self.peek(namespace)
        return table

    def peek(self, namespace: str) -> dict[K, V]:
        """The table of a namespace, or the content of a new one, without creating it."""
        if namespace in self:
            return self[namespace]
        return dict(self.first_entries) if is_padded_by(self.patterns, namespace) else {}


def is_padded_by(patterns: Iterable[str], namespace: str) -> bool:
    """Whether a namespace has padding and unknown entries, given the patterns of non-padded namespaces."""
    return not any(namespace_match(pattern, namespace) for pattern in patterns)


def check_min_count(min_count: Mapping[str, int], counter: Mapping[str, Mapping[str, int]] | None) -> None:
    """Check that every limit is for a namespace that was counted.

    Raises:
        ConfigurationError: a namespace was not counted.
    """
    for namespace in min_count:
        if namespace not in (counter or {}):
            raise ConfigurationError(
                f"min_count: expected namespaces that occur in the data ({sorted(counter or {})}), got {namespace!r}; "
                "correct its name or leave it out"
            )


def warn_of_uncounted_namespaces(counted: Collection[str], **limits: Any) -> None:
    """Warn of limits for namespaces that the data do not have: a misspelt name would silently have no effect.

    Args:
        counted: the namespaces of the data.
        **limits: argument name -> a limit for each namespace, or anything that is not by namespace.
    """
    for argument, by_namespace in limits.items():
        for namespace in by_namespace if isinstance(by_namespace, Mapping) else ():
            if namespace not in counted:
                logger.warning(
                    "vocabulary.%s: the data have no namespace %r, so that this has no effect; they have %s",
                    argument,
                    namespace,
                    ", ".join(sorted(counted)),
                )


def check_padding_unchanged(
    namespaces: Iterable[str], old_patterns: Iterable[str], new_patterns: Iterable[str]
) -> None:
    """Check that extended namespaces stay padded or non-padded.

    Raises:
        ConfigurationError: a namespace would change.
    """
    for namespace in namespaces:
        was, becomes = is_padded_by(old_patterns, namespace), is_padded_by(new_patterns, namespace)
        if was != becomes:
            words = {True: "padded", False: "non-padded"}
            raise ConfigurationError(
                f"non_padded_namespaces: the vocabulary to extend has {namespace!r} {words[was]}, so it cannot become "
                f"{words[becomes]}; give the patterns that the vocabulary was made with"
            )


def items_to_keep(
    counts: Mapping[str, int],
    max_size: int | None,
    min_count: int,
    pretrained: set[str] | None = None,
    only_pretrained: bool = False,
) -> list[str]:
    """The items of one namespace that become entries, by decreasing frequency; ties keep their order.

    Args:
        counts: item -> count.
        max_size: consider only this many of the most frequent items, to which the other limits apply; None or 0 for all.
        min_count: items with a smaller count are dropped.
        pretrained: words with pretrained vectors.
        only_pretrained: whether to drop items without a vector. Otherwise a rare item is kept if it has a vector.
    """
    ranked = sorted(counts.items(), key=itemgetter(1), reverse=True)
    if max_size:
        ranked = ranked[:max_size]
    if pretrained is None:
        return [item for item, count in ranked if count >= min_count]
    if only_pretrained:
        return [item for item, count in ranked if count >= min_count and item in pretrained]
    return [item for item, count in ranked if count >= min_count or item in pretrained]


def read_pretrained_words(file_uri: str) -> list[str]:
    """The distinct words of a file of word vectors, in order.

    Args:
        file_uri: as for `EmbeddingsTextFile`.
    """
    words: dict[str, None] = {}
    with EmbeddingsTextFile(file_uri) as lines:
        for number, line in enumerate(lines, start=1):
            word, space, _ = line.partition(" ")
            if not space:  # some files use tabs as separators
                word, space, _ = line.partition("\t")
            if space:
                words[word] = None
            else:
                logger.warning(
                    "%s: line %d has no space, so no word and no vector: skipped", file_uri, number
                )
    return list(words)


DEFAULT_NON_PADDED_NAMESPACES = ("*tags", "*labels")
DEFAULT_PADDING_TOKEN = "@@PADDING@@"
DEFAULT_OOV_TOKEN = "@@UNKNOWN@@"


class UnknownTokenError(ConfigurationError, KeyError):
    """A token without an id in a namespace without an entry for unknown tokens, usually a new label."""


def _with_arguments_of(init: Any, first: Sequence[str] = ()) -> Callable[[Any], Any]:
    """Make a classmethod whose `**kwargs` are the arguments of a constructor except `counter`, with their defaults.

    The arguments are written once, and still appear in the signature and the documentation of every such classmethod.

    Args:
        init: the constructor.
        first: names of arguments that come before the others.
    """
    shared = [
        parameter
        for name, parameter in inspect.signature(init).parameters.items()
        if name not in ("self", "counter")
    ]
    shared.sort(key=lambda parameter: parameter.name not in first)

    def decorate(method: Any) -> Any:
        own = list(inspect.signature(method).parameters.values())[:-1]
        signature = inspect.Signature([*own, *shared], return_annotation=method.__annotations__["return"])

        @functools.wraps(method)
        def with_defaults(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return method(**bound.arguments)

        with_defaults.__signature__ = signature  # type: ignore[attr-defined]  # what `inspect` reads
        return classmethod(with_defaults)

    return decorate


class Vocabulary(Registrable):
    """Ids for strings, in namespaces: words, characters and each kind of label have ids of their own.

    A padded namespace starts with the padding token (id 0) and the token for everything unknown (id 1); in a
    non-padded one, such as labels, ids start from 0 and there is no entry for unknown tokens. Ids increase in the order of
    addition and never change.

    A vocabulary is usually made from data by `from_instances`, which takes the same arguments.

    Args:
        counter: count of each item, by namespace. The most frequent item gets the first id; items with equal counts keep
            the order of their first appearance.
        min_count: by namespace, the minimum count of items.
        max_vocab_size: by namespace, or one number for all: consider only this many of the most frequent items, not
            counting padding and unknown entries.
        non_padded_namespaces: names, or `*suffix`, of namespaces without padding and unknown entries.
        pretrained_files: by namespace, a file of word vectors (`EmbeddingsTextFile`). An item that has a
            vector is kept even if it is rare.
        only_include_pretrained_words: whether to drop items without a vector in namespaces with such a file.
        tokens_to_add: by namespace, tokens that are added after all others even if they do not occur.
        min_pretrained_embeddings: by namespace, number of the first words of the file of vectors to add even if they do
            not occur; -1 for all.
        padding_token: the entry with id 0 of padded namespaces.
        oov_token: the entry for everything unknown.

    Raises:
        ConfigurationError: `min_count` has a namespace that does not occur.
    """

    constructor_extras = frozenset(["instances"])

    default_implementation = "from_instances"

    def __init__(
        self,
        counter: dict[str, dict[str, int]] | None = None,
        min_count: dict[str, int] | None = None,
        max_vocab_size: int | dict[str, int] | None = None,
        non_padded_namespaces: Iterable[str] = DEFAULT_NON_PADDED_NAMESPACES,
        pretrained_files: dict[str, str] | None = None,
        only_include_pretrained_words: bool = False,
        tokens_to_add: dict[str, list[str]] | None = None,
        min_pretrained_embeddings: dict[str, int] | None = None,
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
        self._retained_counter: dict[str, dict[str, int]] | None = None
        self.extend_from_counts(
            counter,
            self._non_padded_namespaces,
            min_count,
            max_vocab_size,
            pretrained_files,
            only_include_pretrained_words,
            tokens_to_add,
            min_pretrained_embeddings,
        )

    @staticmethod
    def check_arguments(max_vocab_size: int | dict[str, int] | None = None) -> None:
        """Check the arguments; also called by `nlpreg check`."""
        limits = max_vocab_size if isinstance(max_vocab_size, dict) else {"all namespaces": max_vocab_size}
        for namespace, limit in limits.items():
            if limit is not None and limit < 0:
                raise ConfigurationValueError(
                    f"max_vocab_size: expected a number of entries, or null or 0 for all, got {limit} for {namespace}"
                )

    @_with_arguments_of(__init__)
    def from_instances(cls: Any, instances: Iterable[Instance], **kwargs: Any) -> Vocabulary:
        """A vocabulary of the items in these instances.

        Args:
            instances: the instances to count; the other arguments are those of the class.
        """
        vocab: Vocabulary = cls(_count(instances), **kwargs)
        return vocab

    @classmethod
    def from_files(
        cls,
        directory: str | os.PathLike[str],
        padding_token: str | None = DEFAULT_PADDING_TOKEN,
        oov_token: str | None = DEFAULT_OOV_TOKEN,
    ) -> Vocabulary:
        """A vocabulary that was saved in a folder, or in an archive of such a folder or of a model.

        Args:
            directory: the folder or archive, a path or URL.
            padding_token: padding token of the saved vocabulary, which the files do not record.
            oov_token: token for unknown tokens of the saved vocabulary.

        Raises:
            FileNotFoundError: the path does not exist.
            ConfigurationError: there is no vocabulary, or it is damaged.
        """
        folder = find_vocabulary_folder(directory)
        logger.info("loading the vocabulary in %s", folder)
        with _lock_of(folder):
            check_digests(folder)
            patterns = read_patterns(folder)
            vocab = cls(non_padded_namespaces=patterns, padding_token=padding_token, oov_token=oov_token)
            unknown = DEFAULT_OOV_TOKEN if oov_token is None else oov_token
            for namespace, path in namespace_files(folder).items():
                vocab.set_from_file(str(path), is_padded_by(patterns, namespace), unknown, namespace)
        return vocab

    @_with_arguments_of(__init__, first=("padding_token", "oov_token"))
    def from_files_and_instances(
        cls: Any, instances: Iterable[Instance], directory: str, **kwargs: Any
    ) -> Vocabulary:
        """A saved vocabulary, whose ids do not change, extended by the items in these instances.

        Args:
            instances: the instances to count.
            directory: folder or archive of the saved vocabulary; the other arguments are those of the class.
        """
        vocab: Vocabulary = cls.from_files(directory, kwargs.pop("padding_token"), kwargs.pop("oov_token"))
        vocab.extend_from_counts(_count(instances), **kwargs)
        return vocab

    @classmethod
    def empty(cls) -> Vocabulary:
        """A vocabulary without entries, for models with their own vocabulary."""
        return cls()

    @classmethod
    def from_pretrained_transformer(
        cls, model_name: str, namespace: str = "tokens", oov_token: str | None = None
    ) -> Vocabulary:
        """The vocabulary of a transformers tokenizer, with its own ids, in one namespace.

        Args:
            model_name: name or folder of the model.
            namespace: the namespace, which is not padded.
            oov_token: the token for unknown tokens; by default that of the tokenizer.
        """

        tokenizer = cached_transformers.get_tokenizer(model_name)
        vocab = cls(non_padded_namespaces=[namespace], oov_token=oov_token or tokenizer.unk_token)
        vocab.add_transformer_vocab(tokenizer, namespace)
        return vocab

    @_with_arguments_of(__init__)
    def from_pretrained_transformer_and_instances(
        cls: Any, instances: Iterable[Instance], transformers: dict[str, str], **kwargs: Any
    ) -> Vocabulary:
        """A vocabulary of these instances, extended by those of transformers models.

        Args:
            instances: the instances to count.
            transformers: namespace -> name or folder of a model; the other arguments are those of the class.
        """
        vocab: Vocabulary = cls.from_instances(instances, **kwargs)
        for namespace, model_name in transformers.items():
            vocab.extend_from_vocab(cls.from_pretrained_transformer(model_name, namespace))
        return vocab

    def add_token_to_namespace(self, token: str, namespace: str = "tokens") -> int:
        """The id of a token, which is added if necessary.

        Raises:
            ValueError: the token is not a str.
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
        """The ids of tokens, which are added if necessary."""
        # one by one if a token is not valid, or if a subclass overrides the method for a single token
        if set(map(type, tokens)) != {str} or not can_use_batched(
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
            UnknownTokenError: it has none, and the namespace has no entry for unknown tokens; also a `KeyError`.
        """
        ids = self._token_to_index.peek(namespace)
        index = ids.get(token)
        if index is None:
            # non-padded namespaces have no such entry
            index = ids.get(self._oov_token)
        if index is None:
            raise self._unknown(token, namespace)
        return index

    def get_token_indices(self, tokens: Iterable[str], namespace: str = "tokens") -> list[int]:
        """The ids of many tokens; the same as `get_token_index` of each."""
        if not can_use_batched(type(self), "get_token_indices", "get_token_index"):
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
        """The number of entries of a namespace, including padding and unknown."""
        return len(self._token_to_index.peek(namespace))

    def get_counts(self, namespace: str = "tokens") -> Mapping[str, int]:
        """Item -> count of a namespace, from the last counting; empty if the vocabulary was not made from instances."""
        return (self._retained_counter or {}).get(namespace, {})

    @property
    def padding_token(self) -> str:
        """The entry for padding in padded namespaces."""
        return self._padding_token

    @property
    def oov_token(self) -> str:
        """The entry for unknown tokens in padded namespaces."""
        return self._oov_token

    @property
    def non_padded_namespaces(self) -> set[str]:
        """The names, or `*suffix`, of namespaces without padding and unknown entries."""
        return set(self._non_padded_namespaces)

    def get_namespaces(self) -> set[str]:
        """The namespaces that have entries."""
        return set(self._index_to_token)

    def namespace_sizes(self) -> dict[str, int]:
        """Namespace -> number of entries."""
        return {name: len(self._token_to_index.peek(name)) for name in self.get_namespaces()}

    def get_index_to_token_vocabulary(self, namespace: str = "tokens") -> dict[int, str]:
        """The dict from ids to tokens, not a copy."""
        return self._index_to_token[namespace]

    def get_token_to_index_vocabulary(self, namespace: str = "tokens") -> dict[str, int]:
        """The dict from tokens to ids, not a copy."""
        return self._token_to_index[namespace]

    def is_padded(self, namespace: str) -> bool:
        """Whether id 0 of a namespace is the padding token."""
        return self._index_to_token.peek(namespace).get(0) == self._padding_token

    # Any: a tokenizer of the optional transformers package
    def add_transformer_vocab(self, tokenizer: Any, namespace: str = "tokens") -> None:
        """Add the entries of a transformers tokenizer with their ids; the namespace is not padded."""
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
        """Replace the entries of a namespace by those of a file, one per line in the order of ids.

        Args:
            filename: the file, UTF-8.
            is_padded: whether the namespace is padded; ids then start from 1, because the file has no padding token.
            oov_token: the line that represents unknown tokens.
            namespace: the namespace.

        Raises:
            AssertionError: the namespace is padded, and no line is `oov_token`.
        """
        tokens = [self._oov_token if token == oov_token else token for token in read_tokens(filename)]
        assert not is_padded or self._oov_token in tokens, (
            f"{filename}: expected a line {oov_token!r} for unknown tokens, since the namespace {namespace!r} is padded; "
            "if the file was saved with another oov_token, give that one"
        )
        entries = [self._padding_token, *tokens] if is_padded else tokens
        self._index_to_token[namespace] = dict(enumerate(entries))
        self._token_to_index[namespace] = {token: index for index, token in enumerate(entries)}

    def save_to_files(self, directory: str) -> None:
        """Save everything except counts to a folder, created if necessary; `from_files` is the inverse.

        The digests of the files are saved with them, so that `from_files` detects damage.
        """
        os.makedirs(directory, exist_ok=True)
        if os.listdir(directory):
            logger.warning(
                "the folder %s of the vocabulary is not empty; files in it are overwritten", directory
            )
        with _lock_of(directory):
            forget_digests(directory, "*")
            names = [write_patterns(directory, self._non_padded_namespaces)]
            for namespace, tokens in self._index_to_token.items():
                names.append(write_namespace(directory, namespace, tokens, int(self.is_padded(namespace))))
            record_digests(directory, names)

    def extend_from_instances(self, instances: Iterable[Instance]) -> None:
        """Add the items in these instances; existing ids do not change."""
        self.extend_from_counts(_count(instances), self._non_padded_namespaces)

    def extend_from_vocab(self, vocab: Vocabulary) -> None:
        """Add every token of another vocabulary, in the order of its ids, and its non-padded namespaces."""
        self._non_padded_namespaces |= vocab.non_padded_namespaces
        for namespace in sorted(vocab.get_namespaces()):
            tokens = vocab.get_index_to_token_vocabulary(namespace)
            self.add_tokens_to_namespace([tokens[index] for index in sorted(tokens)], namespace)

    def print_statistics(self) -> None:
        """Print the sizes and, from the last counting, the most frequent, longest and shortest items."""
        print(self)
        if not self._retained_counter:
            logger.info("no counts to show: the vocabulary was loaded or made by hand")
            return
        for namespace, counts in self._retained_counter.items():
            by_count = sorted(counts, key=counts.__getitem__, reverse=True)
            by_length = sorted(counts, key=len, reverse=True)
            for title, items in (
                ("most frequent", by_count[:10]),
                ("longest", by_length[:10]),
                ("shortest", by_length[:-11:-1]),
            ):
                print(f"\n\tTop 10 {title} items of the namespace '{namespace}':")
                for item in items:
                    print(f"\t\t{item!r}\t\tlength: {len(item)}\tcount: {counts[item]}")

    @reduced_garbage_collection()
    def extend_from_counts(
        self,
        counter: dict[str, dict[str, int]] | None,
        non_padded_namespaces: Iterable[str],
        min_count: Mapping[str, int] | None = None,
        max_vocab_size: int | dict[str, int] | None = None,
        pretrained_files: Mapping[str, str] | None = None,
        only_include_pretrained_words: bool = False,
        tokens_to_add: Mapping[str, list[str]] | None = None,
        min_pretrained_embeddings: Mapping[str, int] | None = None,
    ) -> None:
        """Add the counted items within the limits, and the requested tokens; the arguments are those of the class."""
        self.check_arguments(max_vocab_size)
        min_count, tokens_to_add = min_count or {}, tokens_to_add or {}
        # the limits apply in the documented order: size, frequency, vectors
        counts = counter or {}
        check_min_count(min_count, counter)
        if counts:
            warn_of_uncounted_namespaces(
                counts,
                max_vocab_size=max_vocab_size,
                pretrained_files=pretrained_files,
                min_pretrained_embeddings=min_pretrained_embeddings,
            )
        # a namespace must stay padded or not padded: otherwise its ids would shift by two
        patterns = set(non_padded_namespaces)
        for namespace, items in counts.items():
            # the first entry of a namespace determines whether it is padded
            if self._padding_token in items and not is_padded_by(patterns, namespace):
                raise ConfigurationError(
                    f"the data have {self._padding_token!r} in the namespace {namespace!r}, which has no padding, such as a "
                    "label of that name; rename it"
                )
        extended = self.get_namespaces() & {*counts, *tokens_to_add}
        check_padding_unchanged(extended, self._non_padded_namespaces, patterns)
        self._non_padded_namespaces |= patterns
        self._retained_counter = counter
        limits = max_vocab_size if isinstance(max_vocab_size, dict) else dict.fromkeys(counts, max_vocab_size)
        for namespace, items in counts.items():
            words: Sequence[str] = ()
            if file_uri := (pretrained_files or {}).get(namespace):
                words = read_pretrained_words(file_uri)
            kept = items_to_keep(
                items,
                limits.get(namespace),
                min_count.get(namespace, 1),
                set(words) if file_uri else None,
                only_include_pretrained_words,
            )
            # such files are usually sorted by frequency, so the first words are the most useful
            wanted = (min_pretrained_embeddings or {}).get(namespace, 0)
            self.add_tokens_to_namespace(kept, namespace)
            self.add_tokens_to_namespace(list(words if wanted < 0 else words[:wanted]), namespace)
        for namespace, tokens in tokens_to_add.items():
            self.add_tokens_to_namespace(tokens, namespace)

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
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return (
            self._token_to_index == other._token_to_index
            and self._index_to_token == other._index_to_token
            and self._non_padded_namespaces == other.non_padded_namespaces
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


def count_instances(instances: Iterable[Instance]) -> dict[str, dict[str, int]]:
    """Namespace -> item -> count; items are in the order of their first appearance."""
    counter = new_counter()
    for group in lazy_groups_of(instances, _INSTANCES_AT_ONCE):
        if all(type(instance).count_vocab_items is Instance.count_vocab_items for instance in group):
            with reduced_garbage_collection(), naming_fields(group):
                count_fields([field for instance in group for field in instance.fields.values()], counter)
        else:
            for instance in group:
                instance.count_vocab_items(counter)
    return {namespace: dict(items) for namespace, items in counter.items()}


def _count(instances: Iterable[Instance]) -> dict[str, dict[str, int]]:
    """Namespace -> item -> count, of these instances."""
    logger.info("counting the items of the instances for the vocabulary")
    return count_instances(Tqdm.tqdm(instances, desc="building vocab"))


# The registered classes of this base are its own constructors.
Vocabulary.register("from_instances", constructor="from_instances")(Vocabulary)
Vocabulary.register("from_files", constructor="from_files")(Vocabulary)
Vocabulary.register("extend", constructor="from_files_and_instances")(Vocabulary)
Vocabulary.register("empty", constructor="empty")(Vocabulary)
Vocabulary.register("from_pretrained_transformer", constructor="from_pretrained_transformer")(Vocabulary)
Vocabulary.register(
    "from_pretrained_transformer_and_instances", constructor="from_pretrained_transformer_and_instances"
)(Vocabulary)
