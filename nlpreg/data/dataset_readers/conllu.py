"""Treebanks of Universal Dependencies."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from nlpreg.data.dataset_readers import text_file_reader
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError, DataFile, bad_line, excerpt
from nlpreg.data.fields.sequence_multilabel_field import SequenceMultiLabelField
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers import CharacterTokenizer, Token

logger = logging.getLogger(__name__)

_NUM_COLUMNS = 10
FORM = 1
_NUMBERS = [str(number) for number in range(1, 1000)]
Column = Literal["upos", "xpos", "deprel", "feats", "lemma"]
TAG_COLUMNS: dict[str, int] = {"lemma": 2, "upos": 3, "xpos": 4, "feats": 5, "deprel": 7}
_UNSPECIFIED = "_"
# In the other columns a word may have no value.
_NEVER_EMPTY = (TAG_COLUMNS["upos"], TAG_COLUMNS["xpos"], TAG_COLUMNS["deprel"])


@DatasetReader.register("conllu")
class ConlluDatasetReader(text_file_reader.TextFileReader):
    """Reads files in the CoNLL-U format, and tags each word with one of its columns.

    The words are the syntactic words, numbered 1, 2, 3, ...; comments and the lines of multiword tokens (`1-2`) and empty
    nodes (`1.1`) are skipped.

    Fields: `tokens`; `tags` (namespace "labels"); `metadata`, whose "words" are the words; and for each of
    `further_columns` another one. For "feats" it is `feats`, with all morphological features of each word, such as
    "Case=Nom" (a `SequenceMultiLabelField`, namespace "feats"); for any other column it is named after the column, such as
    `xpos_tags` (namespace "xpos_tags"). A file whose first sentence has `_` in the column of every word is treated as
    untagged: its sentences of this kind have no `tags`. (A word may have no features or no lemma, so in those columns `_` is
    an ordinary tag.)

    Args:
        tag_column: the column to use as tags.
        further_columns: columns that become fields of their own, for taggers with several heads.
        unknown_tag: the tag of words whose tag is not known, such as "?" or "_"; None where every word is tagged. Losses and
            metrics leave these words out; a `crf_tagger` with `partial_labels` sums over all tags that they may have.
        token_indexers: the indexers of `tokens`; single ids under the name "tokens" unless given.
        **kwargs: arguments of `TextFileReader`.

    Source: https://universaldependencies.org/format.html
    """

    unit_name = "sentence"

    def __init__(
        self,
        tag_column: Column = "upos",
        token_indexers: dict[str, TokenIndexer] | None = None,
        further_columns: Sequence[Column] = (),
        unknown_tag: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers=token_indexers, **kwargs)
        text_file_reader.check_choice("conllu", "tag_column", tag_column, tuple(TAG_COLUMNS))
        for name in further_columns:
            text_file_reader.check_choice("conllu", "further_columns", name, tuple(TAG_COLUMNS))
        self.tag_column = tag_column
        self.further_columns = tuple(further_columns)
        self.unknown_tag = unknown_tag
        self._tag_index = TAG_COLUMNS[tag_column]
        self._further_indices: dict[str, int] = {name: TAG_COLUMNS[name] for name in further_columns}
        # files whose first sentence has no tags, and whether a word without a tag was found elsewhere
        self._untagged_files: set[str] = set()
        self._has_warned = False

    def text_to_instance(
        self,
        tokens: list[Token] | list[str],
        tags: list[str] | None = None,
        further: Mapping[str, list[str]] | None = None,
    ) -> Instance:
        """A sentence, tagged or not.

        Args:
            tokens: its tokens, or its words.
            tags: a tag for each.
            further: the values of each of the further columns, such as {"feats": ["Case=Nom|Number=Sing", "_"]}.
        """
        columns = dict(further or {})
        features = columns.pop("feats", None)
        instance = text_file_reader.tagged_instance(
            tokens,
            tags,
            features={field_of_column(name): values for name, values in columns.items()},
            unknown_tag=self.unknown_tag,
        )
        if features is not None:
            text: Any = instance["tokens"]
            labels = [split_features(value) for value in features]
            field = field_of_column("feats")
            instance.add_field(field, SequenceMultiLabelField(labels, text, field))
        return instance

    def _units(self, file: DataFile) -> Iterator[tuple[int, str]]:
        blocks = file.blocks()
        first = next(blocks, None)
        if first is None:
            return
        if self._tag_index in _NEVER_EMPTY and self._lacks_tags(first[1]):
            self._untagged_files.add(file.name)
        yield first
        yield from blocks

    def _lacks_tags(self, unit: str) -> bool:
        rows = [text.split("\t") for text in unit.split("\n") if text and text[0] != "#"]
        words = [row for row in rows if row[0].isdecimal() and len(row) == _NUM_COLUMNS]
        return bool(words) and all(row[self._tag_index] == _UNSPECIFIED for row in words)

    def _instance_of(self, unit: str, file: str, line: int) -> Instance | None:
        cells = _regular_columns(unit)
        if cells is None:
            cells = _checked_columns(unit, file, line)
            if not cells:
                return None  # comments alone
        tokens, tags = self._as_tokens(cells[FORM::_NUM_COLUMNS]), cells[self._tag_index :: _NUM_COLUMNS]
        if file in self._untagged_files and set(tags) == {_UNSPECIFIED}:
            return self.text_to_instance(tokens)
        is_unexpected = _UNSPECIFIED in tags and self._tag_index in _NEVER_EMPTY
        if is_unexpected and self.unknown_tag != _UNSPECIFIED and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%s, line %d: a sentence with a word whose tag is _, unspecified; here it counts as a tag like others",
                file,
                line,
            )
        if not self._further_indices:  # a subclass need not support further columns
            return self.text_to_instance(tokens, tags)
        further = {name: cells[at::_NUM_COLUMNS] for name, at in self._further_indices.items()}
        return self.text_to_instance(tokens, tags, further)


def field_of_column(name: str) -> str:
    """The name of the field, and of the head, for a further column: `feats`, `xpos_tags`, ..."""
    return name if name == "feats" else f"{name}_tags"


@lru_cache(maxsize=1 << 12)
def split_features(value: str) -> tuple[str, ...]:
    """The features in a value of the column "feats", such as ("Case=Nom", "Number=Sing"); none for `_`."""
    return () if value == _UNSPECIFIED else tuple(value.split("|"))


def conllu_words(sentence: str, file: str, line: int) -> list[str]:
    """The words of a sentence in the CoNLL-U format.

    Args:
        sentence: its lines, without the blank line after them.
        file: name of its file, for the error.
        line: number of its first line, from 1.

    Raises:
        DataError: the sentence is not valid; the message names the line.
    """
    return _checked_columns(sentence, file, line)[FORM::_NUM_COLUMNS]


def conllu_with_column(sentence: str, values: Sequence[str], column: str = "upos") -> str:
    """A sentence in the CoNLL-U format, with the values of one column replaced.

    Comments, multiword tokens, empty nodes and all other columns stay as they are.

    Args:
        sentence: its lines, without the blank line after them.
        values: one for each word.
        column: a name from `TAG_COLUMNS`, such as "upos".

    Raises:
        ValueError: the numbers of values and words differ.
    """
    lines = sentence.split("\n")
    rows = [text.split("\t") for text in lines]
    # comments, multiword tokens and empty nodes do not start with an integer
    words = [number for number, row in enumerate(rows) if row[0].isdecimal() and len(row) == _NUM_COLUMNS]
    if len(words) != len(values):
        raise ValueError(
            f"expected a value for each of {len(words)} words, got {len(values)}: {sentence[:80]!r}"
        )
    for number, value in zip(words, values, strict=True):
        rows[number][TAG_COLUMNS[column]] = value
        lines[number] = "\t".join(rows[number])
    return "\n".join(lines)


_ENDS_A_COLUMN = re.compile(r"[\t\r\n]")


def conllu_of(
    words: Sequence[str], values: Sequence[str], column: str = "upos", text: str | None = None
) -> str:
    """A tagged sentence in the CoNLL-U format; unknown values are `_`.

    Args:
        words: the words.
        values: the value of one column for each.
        column: a name from `TAG_COLUMNS`.
        text: the original sentence, for a comment and for `SpaceAfter=No`.

    Raises:
        DataError: a word is empty, or has a tab or the end of a line in it.
    """
    for word in words:
        if not word or _ENDS_A_COLUMN.search(word):
            raise DataError(f"the word {word!r} cannot be written as CoNLL-U")
    glued = _followed_without_space(words, text)
    rows = [
        "\t".join([str(number), word, *["_"] * (_NUM_COLUMNS - 3), "SpaceAfter=No" if is_glued else "_"])
        for number, (word, is_glued) in enumerate(zip(words, glued, strict=True), start=1)
    ]
    # The comment has to equal the words joined by single spaces; no-break spaces are part of words.
    comments = [] if text is None else ["# text = " + re.sub(r"[ \t\r\n]+", " ", text).strip(" ")]
    return conllu_with_column("\n".join([*comments, *rows]), values, column)


def _followed_without_space(words: Sequence[str], text: str | None) -> list[bool]:
    """For each word whether the next one follows without a space in the text; False if that is unknown."""
    if text is None:
        return [False] * len(words)
    glued, position = [], 0
    for word in words:
        start = text.find(word, position)
        if start < 0:  # the tokenizer changed the word
            glued.append(False)
            continue
        position = start + len(word)
        glued.append(position < len(text) and not text[position].isspace())
    return glued


def _regular_columns(unit: str) -> list[str] | None:
    """All columns of all words, one after another, if the comments are followed by words only."""
    start = unit.find("\n1\t") + 1 if unit[0] == "#" else 0
    if unit.count("\n", 0, start) != unit.count("\n#", 0, start) + bool(start):
        return None  # the first line is not a comment
    cells = unit[start:].replace("\n", "\t").split("\t")
    num_words, rest = divmod(len(cells), _NUM_COLUMNS)
    is_plain = (
        not rest and cells[::_NUM_COLUMNS] == _NUMBERS[:num_words] and unit.count("\n", start) < num_words
    )
    return cells if is_plain else None


def _checked_columns(unit: str, file: str, first_line: int) -> list[str]:
    """All columns of all words, one after another, after checking every line; none for comments alone.

    Raises:
        DataError: a line is not valid.
    """
    cells: list[str] = []
    num_words = 0
    columns: list[str] = []
    for line, text in enumerate(unit.split("\n"), start=first_line):
        if not text or text[0] == "#":
            continue
        columns = text.split("\t")
        if len(columns) != _NUM_COLUMNS:
            expected = f"{_NUM_COLUMNS} columns separated by tabs"
            advice = "the columns must be separated by tabs" if " " in text and len(columns) == 1 else ""
            raise bad_line(file, line, expected, f"{len(columns)}: {excerpt(text)}", advice)
        number = columns[0]
        if number.isdecimal():
            num_words += 1
            if int(number) != num_words:
                advice = "is a blank line missing before it?" if number == "1" else ""
                raise bad_line(file, line, f"word number {num_words}", number, advice)
            cells += columns
        elif not number.replace("-", "", 1).replace(".", "", 1).isdecimal():
            raise bad_line(file, line, "a number such as 3, 3-4 or 3.1 in the first column", excerpt(number))
    if columns and not cells:
        raise DataError(f"{file}, line {first_line}: expected a sentence with at least one word, got none")
    return cells


@DatasetReader.register("conllu_language_modeling")
class ConlluLanguageModelingReader(ConlluDatasetReader):
    """Reads only the words of files in the CoNLL-U format.

    Field: `source`, the words of a sentence with start and end tokens around them; or their characters.

    Args:
        token_indexers: the indexers of `source`; single ids under the name "tokens" unless given.
        start_tokens: put before every sentence, the first one first.
        end_tokens: put after every sentence.
        skip_bad_lines: whether a sentence that cannot be read is skipped, counted and reported, instead of ending the
            run.
        max_instances: read at most this many sentences, counted over all processes together; None for all.
        serialization_dir: folder of the training run.
        characters: whether the tokens are the characters of the words, with a space between two words.
    """

    text_field_names = ("source",)

    def __init__(
        self,
        token_indexers: dict[str, TokenIndexer] | None = None,
        start_tokens: list[str] | None = None,
        end_tokens: list[str] | None = None,
        skip_bad_lines: bool = False,
        max_instances: int | None = None,
        serialization_dir: str | None = None,
        characters: bool = False,
    ) -> None:
        super().__init__(
            token_indexers=token_indexers,
            skip_bad_lines=skip_bad_lines,
            max_instances=max_instances,
            serialization_dir=serialization_dir,
        )
        self._characters = characters
        # For plain text that the language model continues or scores.
        self._tokenizer = CharacterTokenizer() if characters else None
        self.start_tokens = list(start_tokens or [])
        self.end_tokens = list(end_tokens or [])
        self._takes_words = type(self).text_to_instance is ConlluLanguageModelingReader.text_to_instance

    def _as_tokens(self, words: list[str]) -> list[str] | list[Token]:
        return super()._as_tokens(words if self._tokenizer is None else list(" ".join(words)))

    def text_to_instance(
        self, tokens: list[Token] | list[str], tags: Any = None, further: Any = None
    ) -> Instance:
        """A sentence as its words or its characters; tags are ignored."""
        words = [token if isinstance(token, str) else token.text or "" for token in tokens]
        return Instance(
            {"source": text_file_reader.text_field_of([*self.start_tokens, *words, *self.end_tokens])}
        )
