"""The distinct words of a corpus: counted for the vocabulary, and indexed as the tensors of texts."""

import functools
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.columns import TableRows, WordColumn, lengths_of, split_rows
from nlpreg.data.fields.field import UnpaddedField, VocabCounter
from nlpreg.data.fields.text_field import TextFieldTensors
from nlpreg.data.id_corpus.id_corpus import IdCorpus
from nlpreg.data.token_indexers import token_indexer
from nlpreg.data.token_indexers.token_indexer import IndexedTokenList, TokenIndexer
from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.vocabulary import Vocabulary


class IndexedLexicon:
    """The indexed distinct words of a corpus, from which tensors of texts are selected by number.

    Args:
        corpus: the corpus.
        token_indexers: the indexers by name.
        vocab: the vocabulary for the indexers.

    Raises:
        ConfigurationError: an indexer needs more than the text of a token, or adds start or end tokens.
    """

    def __init__(
        self, corpus: IdCorpus, token_indexers: Mapping[str, TokenIndexer], vocab: Vocabulary
    ) -> None:
        self._indexers = token_indexers
        self._entries: dict[str, IndexedTokenList] = {}
        words = corpus.words
        column = _column_of(words)
        for name, indexer in token_indexers.items():
            if not token_indexer.can_index_words(indexer):
                raise ConfigurationError(
                    f"token_indexers.{name}: {type(indexer).__name__} needs more than the words themselves, which are all "
                    "that a corpus of ids holds; use the multiprocess data loader with it"
                )
            (entries,) = indexer.index_words(column, vocab)
            if any(len(values) != len(words) for values in entries.values()):
                raise ConfigurationError(
                    f"token_indexers.{name}: start_tokens and end_tokens of an indexer are not possible with a corpus of "
                    "ids; give them to the dataset reader"
                )
            self._entries[name] = entries

    @functools.cached_property
    def names_of_single_ids(self) -> list[str]:
        """The names of the indexers whose only output is one id for each word."""
        return [
            name
            for name, entries in self._entries.items()
            if len(entries) == 1 and all(isinstance(values, np.ndarray) for values in entries.values())
        ]

    def tensors(self, rows: Sequence[NDArray[Any]], names: Collection[str] | None = None) -> TextFieldTensors:
        """The tensors of texts, padded to the longest.

        Args:
            rows: the texts, at least one, as numbers of words.
            names: names of the indexers whose tensors to make; by default all.
        """
        # select the words of all texts from the table at once, then split the result into texts
        numbers, lengths = np.concatenate(rows), lengths_of(rows)
        batch: TextFieldTensors = {}
        for name, indexer in self._indexers.items():
            if names is not None and name not in names:
                continue
            columns = {
                key: _texts_of(values, numbers, lengths) for key, values in self._entries[name].items()
            }
            texts: list[IndexedTokenList] = [
                dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
            ]
            batch[name] = indexer.pad_many(texts, indexer.padding_lengths_of_many(texts))
        return batch


def _column_of(words: list[str]) -> WordColumn:
    """A column with one text of distinct words, made without a search for equal words."""
    column = WordColumn([])
    column.words, column.numbers = words, np.arange(len(words), dtype=np.int32)
    column.lengths = np.array([len(words)])
    return column


def _texts_of(values: Any, numbers: NDArray[Any], lengths: NDArray[np.int64]) -> list[Any]:
    """The values of the words with these numbers, split into texts."""
    if isinstance(values, TableRows):
        return [TableRows(values.table, rows) for rows in split_rows(values.numbers[numbers], lengths)]
    picked: Any = values[numbers] if isinstance(values, np.ndarray) else [values[n] for n in numbers.tolist()]
    return split_rows(picked, lengths)


class CountedWordsField(UnpaddedField[Any]):
    """Distinct words with their counts, for the vocabulary only; it does not become a tensor.

    Args:
        counts: word -> count, in the order of first appearance.
        token_indexers: the indexers that count the words.
    """

    __slots__ = ("_token_indexers", "counts")

    def __init__(self, counts: Mapping[str, int], token_indexers: Mapping[str, TokenIndexer]) -> None:
        self.counts = counts
        self._token_indexers = token_indexers

    def count_vocab_items(self, counter: VocabCounter) -> None:
        """Count every word with its frequency, with every indexer."""
        for indexer in self._token_indexers.values():
            if token_indexer.can_count_words(indexer):
                indexer.count_words(self.counts, counter)
            else:
                _count_singly(indexer, self.counts, counter)

    def human_readable_repr(self) -> dict[str, int]:
        """The numbers of distinct words and of all words."""
        return {"distinct_words": len(self.counts), "words": sum(self.counts.values())}

    def __len__(self) -> int:
        return len(self.counts)


def _count_singly(indexer: TokenIndexer, counts: Mapping[str, int], counter: VocabCounter) -> None:
    """Count a token for each distinct word, and multiply its counts by the frequency of the word."""
    for word, times in counts.items():
        items: VocabCounter = defaultdict(lambda: defaultdict(int))
        indexer.count_vocab_items(Token(word), items)
        for namespace, found in items.items():
            for item, number in found.items():
                counter[namespace][item] += number * times
