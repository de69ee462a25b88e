"""`ConllReader`, the base class of readers of CoNLL shared tasks, and the reader of CoNLL 2003: named entities."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils import text_files
from nlpreg.data.dataset_readers.dataset_utils.span_utils import InvalidTagSequence, to_bioul
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader, check_choice, tagged_instance
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.token_class import Token


class ConllReader(TextFileReader):
    """Reads lines of a word and its tags, in columns separated by tabs or else by spaces, with blank lines between sentences.

    A subclass defines the columns.

    Args:
        token_indexers: the indexers of `tokens`; single ids under the name "tokens" unless given.
        tag_label: the column to use as tags; None for no tags.
        feature_labels: the columns that become further fields.
        convert_to_coding_scheme: "BIOUL" to convert spans from the scheme of the files; None to leave them.
        label_namespace: namespace of `tags`.
        coding_scheme: old form of `convert_to_coding_scheme`: "BIOUL", or the scheme of the files.
        unknown_tag: the tag of words whose tag is not known, such as "?" or "_"; None where every word is tagged. Losses and
            metrics ignore these words; a `crf_tagger` with `partial_labels` sums over all tags that they may have. With
            `convert_to_coding_scheme`, a tag whose letter depends on such a neighbour is not known either.
        **kwargs: arguments of `TextFileReader`.

    Raises:
        ConfigurationError: an argument has an invalid value, or a requested feature is missing.
    """

    unit_name = "sentence"

    columns: ClassVar[tuple[str, ...]]
    """Names of the columns after the word."""

    encoding: ClassVar[str]
    """Scheme of the columns that encode spans: all except `pos`."""

    divider: ClassVar[str | None] = None
    """First word of a line that separates sentences, as a blank line does."""

    def __init__(
        self,
        token_indexers: dict[str, TokenIndexer] | None = None,
        tag_label: Literal["pos", "chunk", "ner"] | None = "ner",
        feature_labels: Sequence[str] = (),
        convert_to_coding_scheme: Literal["BIOUL"] | None = None,
        label_namespace: str = "labels",
        coding_scheme: Literal["BIO", "IOB1", "BIOUL"] | None = None,
        unknown_tag: str | None = None,
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
            convert_to_coding_scheme = "BIOUL" if coding_scheme == "BIOUL" else None
        check_choice(name, "convert_to_coding_scheme", convert_to_coding_scheme, (None, "BIOUL"))
        self.tag_label = tag_label
        self.feature_labels = tuple(feature_labels)
        self.convert_to_coding_scheme = convert_to_coding_scheme
        self.label_namespace = label_namespace
        self.unknown_tag = unknown_tag

    def _units(self, file: text_files.DataFile) -> Iterator[tuple[int, str]]:
        for number, block in file.blocks():
            if self.divider is None or self.divider not in block:
                yield number, block
                continue
            for first, sentence, _ in text_files.split_block(number, block, self._is_divider):
                if sentence:
                    yield first, sentence

    def _is_divider(self, line: str) -> bool:
        return line.split(maxsplit=1)[:1] == [self.divider]

    def _instance_of(self, unit: str, file: str, line: int) -> Instance:
        num_columns = len(self.columns) + 1
        rows = [text_files.columns_of(text, num_columns) for text in unit.split("\n")]
        for offset, row in enumerate(rows):
            if len(row) != num_columns:
                expected = f"{num_columns} columns (word, {', '.join(self.columns)})"
                raise text_files.bad_line(
                    file, line + offset, expected, f"{len(row)}: {text_files.excerpt(' '.join(row))}"
                )
        words, *columns = map(list, zip(*rows, strict=True))
        try:
            return self.text_to_instance(self._as_tokens(words), *columns)
        except InvalidTagSequence as error:
            raise text_files.bad_line(
                file, line, f"{self.encoding} tags", text_files.excerpt(str(error))
            ) from error

    def _tagged(
        self, tokens: list[Token] | list[str], tags_by_column: dict[str, list[str] | None]
    ) -> Instance:
        """The instance of a sentence.

        Raises:
            ConfigurationError: the column of a requested feature is missing.
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
        return tagged_instance(tokens, labels, self.label_namespace, features, self.unknown_tag)

    def _converted(self, name: str, tags: list[str]) -> list[str]:
        if name == "pos" or self.convert_to_coding_scheme is None:
            return tags
        return to_bioul(tags, self.encoding, self.unknown_tag)


@DatasetReader.register("conll2003")
class Conll2003DatasetReader(ConllReader):
    """Reads lines `WORD POS CHUNK NER`; blank lines and lines that begin with `-DOCSTART-` separate sentences.

    Fields: `tokens`; `metadata`, whose "words" are the words; `tags`; for each feature label `pos_tags`, `chunk_tags` or
    `ner_tags`, in the namespace of that name. The scheme of the spans is IOB1. The arguments are those of `ConllReader`.

    Source: Tjong Kim Sang and De Meulder (2003), https://aclanthology.org/W03-0419
    """

    columns = ("pos", "chunk", "ner")
    encoding = "IOB1"
    divider = "-DOCSTART-"

    def text_to_instance(
        self,
        tokens: list[Token] | list[str],
        pos_tags: list[str] | None = None,
        chunk_tags: list[str] | None = None,
        ner_tags: list[str] | None = None,
    ) -> Instance:
        """A sentence with those of its tags that are known."""
        return self._tagged(tokens, {"pos": pos_tags, "chunk": chunk_tags, "ner": ner_tags})
