"""Texts for language models: a sentence a line, or running text with its line ends."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpreg.data.columns import can_use_batched, with_ends
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import BadLines, DataFile
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader, Words, text_field_of, words_or_tokens
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers import CharacterTokenizer, SpacyTokenizer, Token, Tokenizer, WhitespaceTokenizer
from nlpreg.data.tokenizers.spacy_tokenizer import check_spacy
from nlpreg.data.word_numbers import HashedLines, WordNumbers, numbered

logger = logging.getLogger(__name__)

# Of about a megabyte each.
_PIECES_AHEAD = 4


@DatasetReader.register("simple_language_modeling")
class SimpleLanguageModelingDatasetReader(TextFileReader):
    """Reads lines of text, each of them a sentence; lines without any token are skipped.

    Field: `source`, the text with start and end tokens around it.

    Args:
        tokenizer: splits a line; spaCy's unless given, so name one ("whitespace") where spaCy is not wanted.
        token_indexers: the indexers of `source`; single ids under the name "tokens" unless given.
        max_sequence_length: longer sentences, including start and end tokens, are skipped, and their number is logged;
            by default there is no limit.
        start_tokens: put before every sentence, the first one first.
        end_tokens: put after every sentence.
        **kwargs: arguments of `TextFileReader`.
    """

    text_field_names = ("source",)

    def __init__(
        self,
        tokenizer: Tokenizer | None = None,
        token_indexers: dict[str, TokenIndexer] | None = None,
        max_sequence_length: int | None = None,
        start_tokens: list[str] | None = None,
        end_tokens: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers=token_indexers, **kwargs)
        self._tokenizer = tokenizer or SpacyTokenizer()
        self._max_sequence_length = max_sequence_length
        self.start_tokens = list(start_tokens or [])
        self.end_tokens = list(end_tokens or [])
        self._num_too_long = 0

    @staticmethod
    def check_arguments(tokenizer: object) -> None:
        """Check that spaCy is installed where it is used; also called by `nlpreg check`."""
        if tokenizer is None:
            check_spacy("tokenizer", "name another tokenizer, such as whitespace")

    def text_to_instance(self, sentence: str) -> Instance:
        """A sentence as a text."""
        return Instance(
            {"source": text_field_of(self._with_ends(words_or_tokens(self._tokenizer, sentence)))}
        )

    def numbered_texts(
        self, file_path: Any, numbers: WordNumbers
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
        """The texts of `read` as numbers of their words, which is a faster way to read a large corpus.

        Args:
            file_path: as for `read`.
            numbers: numbers the words.

        Yields:
            For groups of texts, the numbers of their words in one row, and the length of each text.
        """
        # if words are separated by white space, many lines are split at once
        is_plain = can_use_batched(
            type(self), "_numbered_lines", "_units", "_tokens_of", "_with_ends", "_is_too_long"
        )
        if is_plain and type(self._tokenizer) is WhitespaceTokenizer and self.max_instances is None:
            yield from self._numbered_lines(self._find_files(file_path), numbers)
            self._report(str(file_path), BadLines(skip=False))
        else:
            texts = _as_words(self._read_as(self._tokens_of, file_path))
            yield from numbered(islice(texts, self._share_of_max_instances()), numbers)

    def _numbered_lines(
        self, files: list[DataFile], numbers: WordNumbers
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
        ends: tuple[NDArray[np.int32], NDArray[np.int32]] | None = None
        num_ends = len(self.start_tokens) + len(self.end_tokens)
        # start and end tokens count
        longest = None if self._max_sequence_length is None else self._max_sequence_length - num_ends
        any_lines = False
        for text, lines in _hashed_ahead((text for file in files for text in file.chunks()), longest):
            any_lines = any_lines or not text.isspace()
            if ends is None:
                # numbered by first appearance: start tokens, the words of the first text, end tokens
                rows = (line.split() for line in text.split("\n"))
                first = next((row for row in rows if row and (longest is None or len(row) <= longest)), None)
                if first is not None:
                    start = numbers.of_words(self.start_tokens)
                    numbers.of_words(first)
                    ends = start, numbers.of_words(self.end_tokens)
            ids = numbers.of_lines(lines)
            lengths = lines.lengths[lines.lengths > 0]
            if longest is not None:
                self._num_too_long += int((lengths > longest).sum())
                lengths = lengths[lengths <= longest]
            if len(lengths):
                assert ends is not None  # numbered with the first text
                yield with_ends(ids, lengths, *ends)
        if not any_lines:
            raise self._no_units_error(files)

    def _instance_of(self, unit: str, file: str, line: int) -> Instance | None:
        if self._takes_words:
            tokens = self._tokens_of(unit, file, line)
            return None if tokens is None else Instance({"source": text_field_of(tokens)})
        instance = self.text_to_instance(unit)
        return None if self._is_too_long(len(instance.fields["source"])) else instance

    def _tokens_of(self, unit: str, file: str, line: int) -> Words | None:
        """The text of a line; None if it is skipped."""
        tokens = words_or_tokens(self._tokenizer, unit)
        if not tokens:
            return None
        tokens = self._with_ends(tokens)
        return None if self._is_too_long(len(tokens)) else tokens

    def _with_ends(self, tokens: Words) -> Words:
        """Start tokens, tokens and end tokens, all as strings or all as `Token`s."""
        start, end = self.start_tokens, self.end_tokens
        if not start and not end:
            return tokens
        if not tokens or isinstance(tokens[0], str):
            return [*start, *tokens, *end]
        return [*map(Token, start), *tokens, *map(Token, end)]

    def _is_too_long(self, length: int) -> bool:
        if self._max_sequence_length is None or length <= self._max_sequence_length:
            return False
        self._num_too_long += 1
        return True

    def _report(self, what: str, bad_lines: BadLines) -> None:
        super()._report(what, bad_lines)
        if self._num_too_long:
            logger.info(
                "%s: left out %d sentences of more than %d tokens",
                what,
                self._num_too_long,
                self._max_sequence_length,
            )
        self._num_too_long = 0


def _hashed_ahead(texts: Iterable[str], longest: int | None) -> Iterator[tuple[str, HashedLines]]:
    """Chunks of text and their hashed words; a thread hashes the next chunks meanwhile.

    Args:
        texts: the chunks, of whole lines.
        longest: see `HashedLines`.
    """
    waiting: deque[tuple[str, Future[HashedLines]]] = deque()
    with ThreadPoolExecutor(max_workers=1) as thread:
        for text in texts:
            waiting.append((text, thread.submit(HashedLines, text, longest)))
            if len(waiting) > _PIECES_AHEAD:
                first, lines = waiting.popleft()
                yield first, lines.result()
        for last, lines in waiting:
            yield last, lines.result()


def _as_words(texts: Iterable[Words]) -> Iterator[list[str]]:
    for tokens in texts:
        yield tokens if isinstance(tokens[0], str) else text_field_of(tokens).words


@DatasetReader.register("plain_text_language_modeling")
class PlainTextLanguageModelingReader(SimpleLanguageModelingDatasetReader):
    """Reads lines of text with their line ends, also blank ones, so that every character of the text counts.

    Field: `source`, a line. For running text, whose loader concatenates the lines.

    Args:
        tokenizer: splits a line; by default into characters. A tokenizer that drops line ends drops blank lines too.
        token_indexers: the indexers of `source`; single ids under the name "tokens" unless given.
        **kwargs: other arguments of `SimpleLanguageModelingDatasetReader`.
    """

    def __init__(
        self,
        tokenizer: Tokenizer | None = None,
        token_indexers: dict[str, TokenIndexer] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(tokenizer or CharacterTokenizer(), token_indexers, **kwargs)

    def _units(self, file: DataFile) -> Iterator[tuple[int, str]]:
        for number, line in file.lines():
            yield number, line + "\n"
