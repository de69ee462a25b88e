"""What the readers of the CoNLL shared tasks have in common."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers.dataset_utils.span_utils import InvalidTagSequence, to_bioul
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataFile, bad_line, columns_of, excerpt
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader, check_choice, tagged_instance
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.token_class import Token


class ConllReader(TextFileReader):
    """Reads a word and its tags a line, in columns separated by tabs or else by blanks, with blank lines between sentences.

    A subclass says which columns there are. Arguments are documented there.
    """

    unit_name = "sentence"

    columns: ClassVar[tuple[str, ...]]
    """Names of the columns behind the word."""

    encoding: ClassVar[str]
    """Scheme of the columns that are spans: all but `pos`."""

    divider: ClassVar[str | None] = None
    """First word of a line that, like a blank one, stands between sentences."""

    def __init__(
        self,
        tag_label: str | None,
        feature_labels: Sequence[str],
        convert_to_coding_scheme: str | None,
        label_namespace: str,
        coding_scheme: str | None,
        token_indexers: dict[str, TokenIndexer] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers=token_indexers, **kwargs)
        name = type(self).__name__
        check_choice(name, "tag_label", tag_label, (*self.columns, None))
        for label in feature_labels:
            check_choice(name, "feature_labels", label, self.columns)
        if coding_scheme is not None:
            warnings.warn(
                f'{name}: "coding_scheme" has been replaced by "convert_to_coding_scheme"',
                DeprecationWarning,
                stacklevel=3,
            )
            check_choice(name, "coding_scheme", coding_scheme, (self.encoding, "BIOUL"))
            convert_to_coding_scheme = None if coding_scheme == self.encoding else coding_scheme
        check_choice(name, "convert_to_coding_scheme", convert_to_coding_scheme, (None, "BIOUL"))
        self.tag_label = tag_label
        self.feature_labels = tuple(feature_labels)
        self.convert_to_coding_scheme = convert_to_coding_scheme
        self.label_namespace = label_namespace

    def _units(self, file: DataFile) -> Iterator[tuple[int, str]]:
        for number, block in file.blocks():
            if self.divider is None or self.divider not in block:
                yield number, block
            else:
                yield from self._divided(number, block)

    def _divided(self, number: int, block: str) -> Iterator[tuple[int, str]]:
        """The sentences of a block that has dividers in it."""
        sentence: list[str] = []
        for line, text in enumerate(block.split("\n"), start=number):
            if text.split(maxsplit=1)[:1] == [self.divider]:
                if sentence:
                    yield line - len(sentence), "\n".join(sentence)
                sentence = []
            else:
                sentence.append(text)
        if sentence:
            yield number + block.count("\n") + 1 - len(sentence), "\n".join(sentence)

    def _instance_of(self, unit: str, file: str, line: int) -> Instance:
        num_columns = len(self.columns) + 1
        rows = [columns_of(text, num_columns) for text in unit.split("\n")]
        if any(len(row) != num_columns for row in rows):
            offset = next(i for i, row in enumerate(rows) if len(row) != num_columns)
            raise bad_line(
                file,
                line + offset,
                f"{num_columns} columns (word, {', '.join(self.columns)})",
                f"{len(rows[offset])}: {excerpt(' '.join(rows[offset]))}",
            )
        words, *columns = map(list, zip(*rows, strict=True))
        try:
            return self.text_to_instance(self._as_tokens(words), *columns)
        except InvalidTagSequence as error:
            raise bad_line(file, line, f"{self.encoding} tags", excerpt(str(error))) from error

    def _tagged(
        self, tokens: list[Token] | list[str], tags_by_column: dict[str, list[str] | None]
    ) -> Instance:
        """The instance of a sentence.

        Raises:
            ConfigurationError: a feature is asked for, and its column is missing.
        """
        tags = {
            name: self._converted(name, column)
            for name, column in tags_by_column.items()
            if column is not None
        }
        for label in self.feature_labels:
            if label not in tags:
                raise ConfigurationError(
                    f"{type(self).__name__}: feature_labels asks for {label!r}, but there are no {label}_tags"
                )
        features = {f"{label}_tags": tags[label] for label in self.feature_labels}
        labels = tags.get(self.tag_label) if self.tag_label is not None else None
        return tagged_instance(tokens, labels, self.label_namespace, features)

    def _converted(self, name: str, tags: list[str]) -> list[str]:
        if name == "pos" or self.convert_to_coding_scheme is None:
            return tags
        return to_bioul(tags, encoding=self.encoding)
