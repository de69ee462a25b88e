"""The OntoNotes 5.0 corpus in the column format of the CoNLL 2011 and 2012 shared tasks."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from nlpreg.common.file_utils import cached_path
from nlpreg.common.imports import optional
from nlpreg.data.dataset_readers.dataset_utils import text_files
from nlpreg.data.dataset_readers.dataset_utils.span_utils import TypedSpan

DOCUMENT, PART, INDEX, WORD, POS, PARSE, LEMMA, FRAMESET, SENSE, SPEAKER, ENTITY, FIRST_ARGUMENT = range(12)
_MIN_COLUMNS = 12
_FILE_SUFFIX = "gold_conll"
_NOTHING = "-"


class OntonotesSentence:
    """The annotations of one sentence; lists have an item for each word.

    Args:
        document_id: name of the document.
        sentence_id: number of the part of the document that the sentence is in.
        words: the words.
        pos_tags: parts of speech in the scheme of the Penn Treebank.
        parse_tree: the tree as brackets, or as an nltk tree; None if the sentence has not been parsed. The attribute is
            an nltk tree.
        predicate_lemmas: the lemma of each word that is a predicate.
        predicate_framenet_ids: the PropBank frameset of each predicate.
        word_senses: the sense of each word that has one.
        speakers: the speaker of each word.
        named_entities: the entities as BIO tags.
        srl_frames: for each verbal predicate, the word and BIO tags of its arguments.
        coref_spans: (number of the cluster, (first word, last word)) of each mention.
    """

    def __init__(
        self,
        document_id: str,
        sentence_id: int,
        words: list[str],
        pos_tags: list[str],
        parse_tree: Any,
        predicate_lemmas: list[str | None],
        predicate_framenet_ids: list[str | None],
        word_senses: list[float | None],
        speakers: list[str | None],
        named_entities: list[str],
        srl_frames: list[tuple[str, list[str]]],
        coref_spans: set[TypedSpan],
    ) -> None:
        self.document_id = document_id
        self.sentence_id = sentence_id
        self.words = words
        self.pos_tags = pos_tags
        self._parse_tree = parse_tree
        self.predicate_lemmas = predicate_lemmas
        self.predicate_framenet_ids = predicate_framenet_ids
        self.word_senses = word_senses
        self.speakers = speakers
        self.named_entities = named_entities
        self.srl_frames = srl_frames
        self.coref_spans = coref_spans

    @property
    def parse_tree(self) -> Any:
        """The tree as an nltk tree, or None."""
        if isinstance(self._parse_tree, str):
            self._parse_tree = optional("nltk", extra="nltk").Tree.fromstring(self._parse_tree)
        return self._parse_tree


class Ontonotes:
    """Finds the files of the corpus and reads them.

    The names of its files end in `gold_conll`; folders are languages, genres and sources. Each line is a word with its
    annotations in columns; blank lines and comments separate sentences, `#end document` separates documents.
    """

    def dataset_iterator(self, file_path: str) -> Iterator[OntonotesSentence]:
        """All sentences of the files in a folder."""
        for path in self.dataset_path_iterator(file_path):
            yield from self.sentence_iterator(path)

    @staticmethod
    def dataset_path_iterator(file_path: str) -> Iterator[str]:
        """The paths of the files in a folder and all folders in it, in the order of their names.

        Raises:
            FileNotFoundError: there is no such folder, or no file of the corpus in it.
        """
        found = False
        for folder, subfolders, files in os.walk(cached_path(file_path, extract_archive=True)):
            subfolders.sort()
            for name in sorted(files):
                if name.endswith(_FILE_SUFFIX):
                    found = True
                    yield os.path.join(folder, name)
        if not found:
            raise FileNotFoundError(
                f"{file_path}: expected a folder with files that end in {_FILE_SUFFIX}, found none"
            )

    def dataset_document_iterator(self, file_path: str) -> Iterator[list[OntonotesSentence]]:
        """The sentences of a file, document by document."""
        (file,) = text_files.find_files(file_path)
        document: list[OntonotesSentence] = []
        for line, block in file.blocks():
            for number, text, comment in text_files.split_block(line, block, _is_comment):
                if text:
                    document.append(_sentence(rows_of(text, file.name, number)))
                if comment.startswith("#end document") and document:
                    yield document
                    document = []
        if document:
            yield document

    def sentence_iterator(self, file_path: str) -> Iterator[OntonotesSentence]:
        """The sentences of a file."""
        for document in self.dataset_document_iterator(file_path):
            yield from document


def sentence_blocks(file: text_files.DataFile) -> Iterator[tuple[int, str]]:
    """The lines of each sentence of a file, as one text, and the number of the first."""
    for line, block in file.blocks():
        for number, text, _ in text_files.split_block(line, block, _is_comment):
            if text:
                yield number, text


def rows_of(text: str, file: str, line: int) -> list[list[str]]:
    """The columns of each word of a sentence.

    Raises:
        DataError: a line has too few columns, or the numbers of columns differ.
    """
    rows = [text_files.split_at_blanks(row) for row in text.split("\n")]
    width = len(rows[0])
    for offset, row in enumerate(rows):
        if len(row) < _MIN_COLUMNS or len(row) != width:
            expected = f"{width} columns" if width >= _MIN_COLUMNS else f"{_MIN_COLUMNS} columns or more"
            found = f"{len(row)}: {text_files.excerpt(' '.join(row))}"
            raise text_files.bad_line(file, line + offset, expected, found)
    return rows


def labels_of_brackets(annotations: Sequence[str]) -> list[str]:
    """BIO tags from a column of brackets, such as `(GPE*`, `*`, `*)`, `*`."""
    labels = []
    inside: str | None = None
    for annotation in annotations:
        if "(" in annotation:
            inside = annotation.strip("()*")
            labels.append(f"B-{inside}")
        else:
            labels.append("O" if inside is None else f"I-{inside}")
        if ")" in annotation:
            inside = None
    return labels


def _is_comment(line: str) -> bool:
    return line.startswith("#")


def _sentence(rows: list[list[str]]) -> OntonotesSentence:
    columns: list[list[str]] = [list(column) for column in zip(*rows, strict=True)]
    words = columns[WORD]
    argument_columns = columns[FIRST_ARGUMENT:-1]
    # the columns of arguments are in the order of their predicates
    predicates = [
        word for i, word in enumerate(words) if any("(V" in column[i] for column in argument_columns)
    ]
    return OntonotesSentence(
        document_id=columns[DOCUMENT][0],
        sentence_id=int(columns[PART][0]),
        words=words,
        pos_tags=columns[POS],
        parse_tree=_brackets(words, columns[POS], columns[PARSE]),
        predicate_lemmas=[_or_none(value) for value in columns[LEMMA]],
        predicate_framenet_ids=[_or_none(value) for value in columns[FRAMESET]],
        word_senses=[None if value == _NOTHING else float(value) for value in columns[SENSE]],
        speakers=[_or_none(value) for value in columns[SPEAKER]],
        named_entities=labels_of_brackets(columns[ENTITY]),
        srl_frames=list(zip(predicates, map(labels_of_brackets, argument_columns), strict=False)),
        coref_spans=_mentions(columns[-1]),
    )


def _or_none(value: str) -> str | None:
    return None if value == _NOTHING else value


def _brackets(words: list[str], pos_tags: list[str], pieces: list[str]) -> str | None:
    """The tree as text, with the words in place of the stars."""
    if _NOTHING in pieces:
        return None
    tree = []
    for word, tag, piece in zip(words, pos_tags, pieces, strict=True):
        word = {"(": "-LRB-", ")": "-RRB-"}.get(word, word)
        tag = {"(": "-LRB-", ")": "-RRB-"}.get(tag, tag)
        before, _, after = piece.partition("*")
        tree.append(f"{before}({tag} {word}){after}")
    return "".join(tree)


def _mentions(column: list[str]) -> set[TypedSpan]:
    """The coreference spans of a column such as `(3|(5)`, `-`, `3)`."""
    spans: set[TypedSpan] = set()
    open_starts: defaultdict[int, list[int]] = defaultdict(list)
    for index, annotation in enumerate(column):
        if annotation == _NOTHING:
            continue
        for mark in annotation.split("|"):
            cluster = int(mark.strip("()"))
            start = index if mark.startswith("(") else open_starts[cluster].pop()
            if mark.endswith(")"):
                spans.add((cluster, (start, index)))
            else:
                open_starts[cluster].append(index)
    return spans
