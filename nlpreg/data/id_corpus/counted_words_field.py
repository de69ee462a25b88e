"""A whole corpus as one field, for the vocabulary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from nlpreg.data.fields.field import Field, VocabCounter
from nlpreg.data.token_indexers.token_indexer import TokenIndexer, can_count_words
from nlpreg.data.tokenizers.token_class import Token


class CountedWordsField(Field[Any]):
    """Distinct words and how often each occurs; it can be counted and does not become a tensor.

    Args:
        counts: the number of times by word, in the order of first appearance.
        token_indexers: what they count for.
    """

    __slots__ = ("_token_indexers", "counts")

    def __init__(self, counts: Mapping[str, int], token_indexers: Mapping[str, TokenIndexer]) -> None:
        self.counts = counts
        self._token_indexers = token_indexers

    def count_vocab_items(self, counter: VocabCounter) -> None:
        """Let every indexer count every word as often as it occurs."""
        for indexer in self._token_indexers.values():
            if can_count_words(indexer):
                indexer.count_words(self.counts, counter)
            else:
                _count_singly(indexer, self.counts, counter)

    def get_padding_lengths(self) -> dict[str, int]:
        """Nothing to pad."""
        return {}

    def human_readable_repr(self) -> dict[str, int]:
        """The number of distinct words and of all words."""
        return {"distinct_words": len(self.counts), "words": sum(self.counts.values())}

    def __len__(self) -> int:
        return len(self.counts)


def _count_singly(indexer: TokenIndexer, counts: Mapping[str, int], counter: VocabCounter) -> None:
    """Count a token for each distinct word, and take what comes of it as often as the word occurs."""
    for word, times in counts.items():
        items: VocabCounter = defaultdict(lambda: defaultdict(int))
        indexer.count_vocab_items(Token(word), items)
        for namespace, found in items.items():
            for item, number in found.items():
                counter[namespace][item] += number * times
