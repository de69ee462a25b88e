"""Readers of text files: their lines, and texts and tagged sentences as fields and instances."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, Union

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.columns import can_use_batched
from nlpreg.data.dataset_readers.dataset_reader import ShardingDatasetReader, Unit
from nlpreg.data.dataset_readers.dataset_utils.text_files import BadLines, DataError, DataFile, find_files
from nlpreg.data.fields import Field, ListField, MetadataField, SequenceLabelField, TextField
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenIndexer
from nlpreg.data.tokenizers import Token, Tokenizer, WhitespaceTokenizer

Words = Union[list[str], list[Token]]
"""A tokenized text: strings if tokens have no other attributes, else tokens."""


def words_or_tokens(tokenizer: Tokenizer, text: str) -> Words:
    """The tokens of a text; as strings if the tokenizer sets no other attributes."""
    if can_use_batched(type(tokenizer), "split_words", "tokenize"):
        words = tokenizer.split_words(text)
        if words is not None:
            return words
    return tokenizer.tokenize(text)


def text_field_of(tokens: Sequence[str] | Sequence[Token]) -> TextField:
    """A text field, without indexers, of tokens or of strings."""
    # Any: sequences of both kinds do not occur, and checking every item would cost more than the field
    items: list[Any] = tokens if isinstance(tokens, list) else list(tokens)
    if not items or isinstance(items[0], str):
        return TextField.from_words(items)
    return TextField(items)


_known_strings: dict[str, str] = {}
_MOST_KNOWN_STRINGS = 1 << 15


def tagged_instance(
    tokens: Sequence[Token] | Sequence[str],
    tags: list[str] | None,
    label_namespace: str = "labels",
    features: Mapping[str, list[str]] | None = None,
    unknown_tag: str | None = None,
) -> Instance:
    """One sentence as an instance with the fields `tokens`, `metadata` (its words under "words") and `tags`.

    Args:
        tokens: its tokens, or its words.
        tags: a tag for each, or None for a sentence that is not tagged.
        label_namespace: namespace of the tags.
        features: further tags; each name is that of the field and of its namespace.
        unknown_tag: the tag of words whose tag is not known, see `SequenceLabelField`.
    """
    text = text_field_of(_shared(tokens))
    fields: dict[str, Field[Any]] = {"tokens": text, "metadata": MetadataField({"words": text.words})}
    if tags is not None:
        fields["tags"] = SequenceLabelField(_shared(tags), text, label_namespace, unknown_tag)
    for name, values in (features or {}).items():
        fields[name] = SequenceLabelField(_shared(values), text, name, unknown_tag)
    return Instance(fields)


def _shared(items: Any) -> Any:
    """The same items with equal strings interned, which takes less memory and hashes each only once."""
    if not items or type(items[0]) is not str:
        return items
    if len(_known_strings) > _MOST_KNOWN_STRINGS:
        _known_strings.clear()
    return list(map(_known_strings.setdefault, items, items))


def check_choice(reader: str, argument: str, value: object, choices: Sequence[object]) -> None:
    """Check that an argument has one of its possible values.

    Raises:
        ConfigurationError: it has another value.
    """
    if value not in choices:
        known = ", ".join("null" if choice is None else repr(choice) for choice in choices)
        raise ConfigurationError(f"{reader}: {argument} must be one of {known}, got {value!r}")


T = TypeVar("T")


class TextFileReader(ShardingDatasetReader):
    """Reads text files unit by unit, where a unit (a line, a sentence) makes one instance.

    A subclass implements `_units`, which finds the units of a file without parsing them, and `_instance_of`, which parses
    one: with several processes each parses only its own share. A path may be a list, a pattern, a URL, `archive!member`,
    or compressed (`find_files`).

    Args:
        token_indexers: the indexers of the text fields; single ids under the name "tokens" unless given.
        skip_bad_lines: whether a unit that cannot be read is skipped, counted and reported, instead of ending the run.
        max_instances: read at most this many instances, counted over all processes together; None for all.
        serialization_dir: folder of the training run.

    Raises:
        DataError: (when reading) a unit cannot be read, or there is none at all; the message says where.
    """

    text_field_names: ClassVar[tuple[str, ...]] = ("tokens",)
    """The fields that `apply_token_indexers` handles."""

    unit_name: ClassVar[str] = "line"
    """The word for a unit in messages."""

    def __init__(
        self,
        token_indexers: dict[str, TokenIndexer] | None = None,
        skip_bad_lines: bool = False,
        max_instances: int | None = None,
        serialization_dir: str | None = None,
    ) -> None:
        super().__init__(max_instances, serialization_dir)
        self._token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}
        self._skip_bad_lines = skip_bad_lines
        # a subclass that overrides only `text_to_instance` expects tokens
        self._takes_words = can_use_batched(type(self), "_instance_of", "text_to_instance")

    def apply_token_indexers(self, instance: Instance) -> None:
        """Set the token indexers of the text fields."""
        fields = instance.fields
        for name in self.text_field_names:
            if name in fields:
                set_token_indexers(fields[name], self._token_indexers)

    def _find_files(self, file_path: Any) -> list[DataFile]:
        """The files that a data path stands for."""
        return find_files(file_path)

    def _units(self, file: DataFile) -> Iterable[tuple[int, Any]]:
        """The units of a file: (number of the first line, argument of `_instance_of`). Subclasses may override this.

        By default every line that is not blank is a unit. In place of a unit that cannot be made it yields the `DataError`,
        which is raised or counted when its turn comes.
        """
        for number, line in file.lines():
            if line and not line.isspace():
                yield number, line

    def _instance_of(self, unit: Any, file: str, line: int) -> Instance | None:
        """The instance of a unit, or None to skip it; subclasses must implement this.

        Args:
            unit: from `_units`.
            file: name of its file.
            line: number of its first line.

        Raises:
            DataError: the unit cannot be read.
        """
        raise NotImplementedError(f"{type(self).__name__} has no _instance_of")

    def _as_tokens(self, words: list[str]) -> list[Token] | list[str]:
        """The argument of `text_to_instance` for words: strings, or tokens if the method is overridden."""
        return words if self._takes_words else [Token(word) for word in words]

    def _read(self, file_path: Any) -> Iterator[Instance]:
        return self._read_as(self._instance_of, file_path)

    def _read_as(self, read_unit: Callable[[Any, str, int], T | None], file_path: Any) -> Iterator[T]:
        """The results of a method such as `_instance_of` for the units of this process's share."""
        return self._parsed(self.units(file_path), read_unit, str(file_path))

    def can_defer(self) -> bool:
        """Whether `instances_of` all `units` equals `read`, that is, no subclass overrides how instances are read."""
        return self.max_instances is None and can_use_batched(
            type(self), "instances_of", "read", "_read", "_read_as", "units", "_share"
        )

    def units(self, file_path: Any) -> Iterator[Unit]:
        """This process's share of the units; see `DeferringReader`."""
        units = self._units_of(self._find_files(file_path))
        return self._every_nth(units, for_ranks=True, for_workers=True)

    def instances_of(self, units: Iterable[Unit], file_path: Any) -> Iterator[Instance]:
        """The instances of some units, without token indexers; each is made before the next unit is asked for."""
        return self._parsed(units, self._instance_of, str(file_path), is_whole=False)

    def _parsed(
        self,
        units: Iterable[Unit],
        read_unit: Callable[[Any, str, int], T | None],
        what: str,
        is_whole: bool = True,
    ) -> Iterator[T]:
        # reset in each pass
        bad_lines = BadLines(self._skip_bad_lines)
        num_instances = 0
        try:
            for file, line, unit in units:
                try:
                    if isinstance(unit, DataError):
                        raise unit
                    instance = _parse_unit(read_unit, unit, file, line)
                except DataError as error:
                    bad_lines.add(error)
                    continue
                if instance is not None:
                    num_instances += 1
                    yield instance
        finally:  # the caller may stop after `max_instances`
            self._report(what, bad_lines)
        # the share of one process may be empty
        is_all = is_whole and self._worker_info is None and self._distributed_info is None
        if is_all and not num_instances and bad_lines.num_skipped:
            raise DataError(f"{what}: none of the {bad_lines.num_skipped} {self.unit_name}s could be read")

    def _units_of(self, files: list[DataFile]) -> Iterator[Unit]:
        """The units of all files.

        Raises:
            DataError: there is none at all. (It is not an error if only this process's share of them is empty.)
        """
        any_units = False
        for file in files:
            for line, unit in self._units(file):
                any_units = True
                yield file.name, line, unit
        if not any_units:
            raise self._no_units_error(files)

    def _no_units_error(self, files: list[DataFile]) -> DataError:
        names = ", ".join(file.name for file in files)
        return DataError(
            f"{names}: expected at least one {self.unit_name}, got none; is this the right file?"
        )

    def _report(self, what: str, bad_lines: BadLines) -> None:
        """Log the numbers of skipped units after a pass over the data."""
        bad_lines.report(what)


class TokenizingReader(TextFileReader):
    """Base of readers that split texts with a tokenizer, at white space unless one is given.

    Args:
        tokenizer: splits texts; at white space unless given.
        token_indexers: the indexers of the text fields; single ids under the name "tokens" unless given.
        **kwargs: arguments of `TextFileReader`.
    """

    def __init__(
        self,
        tokenizer: Tokenizer | None = None,
        token_indexers: dict[str, TokenIndexer] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers=token_indexers, **kwargs)
        self._tokenizer = tokenizer or WhitespaceTokenizer()


def _parse_unit(read_unit: Callable[[Any, str, int], T], unit: Any, file: str, line: int) -> T:
    """The result for a unit; file and line are added to errors of `text_to_instance`."""
    try:
        return read_unit(unit, file, line)
    except ConfigurationError:  # an error with its own location, or one about the reader as a whole
        raise
    except ValueError as error:
        raise DataError(f"{file}, line {line}: {error}") from error
    except Exception as error:
        error.while_reading = f"{file}, line {line}"  # type: ignore[attr-defined]  # for the message
        raise


def set_token_indexers(field: object, token_indexers: dict[str, TokenIndexer]) -> None:
    """Set the token indexers of a text field, or of each text field of a list."""
    if isinstance(field, TextField):
        field.token_indexers = token_indexers
    elif isinstance(field, ListField):
        for one in field.field_list:
            set_token_indexers(one, token_indexers)
