"""Which items become entries of a vocabulary, and the tables that hold the entries."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import TypeVar

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.embeddings_file import EmbeddingsTextFile
from nlpreg.common.util import namespace_match

logger = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")


class NamespaceTables(dict[str, dict[K, V]]):
    """A table for each namespace, made when it is first asked for.

    Args:
        patterns: the non-padded namespaces; shared with the vocabulary, which may add to it.
        first_entries: what a table of a padded namespace starts with.
    """

    def __init__(self, patterns: set[str], first_entries: Mapping[K, V]) -> None:
        super().__init__()
        self.patterns = patterns
        self.first_entries = dict(first_entries)

    def __missing__(self, namespace: str) -> dict[K, V]:
        table = self[namespace] = self.peek(namespace)
        return table

    def peek(self, namespace: str) -> dict[K, V]:
        """The table of a namespace; if there is none, what it would start with."""
        if namespace in self:
            return self[namespace]
        return dict(self.first_entries) if is_padded_by(self.patterns, namespace) else {}


def is_padded_by(patterns: Iterable[str], namespace: str) -> bool:
    """Whether a namespace has padding and unknown entries, given the patterns of those that have not."""
    return not any(namespace_match(pattern, namespace) for pattern in patterns)


def check_min_count(min_count: Mapping[str, int], counter: Mapping[str, Mapping[str, int]] | None) -> None:
    """Make sure that every limit is for a namespace that was counted.

    Raises:
        ConfigurationError: it is not.
    """
    for namespace in min_count:
        if namespace not in (counter or {}):
            raise ConfigurationError(
                f"min_count: expected namespaces that occur in the data ({sorted(counter or {})}), got {namespace!r}; "
                "correct its name or leave it out"
            )


def check_padding_unchanged(
    namespaces: Iterable[str], old_patterns: Iterable[str], new_patterns: Iterable[str]
) -> None:
    """Make sure that namespaces which are extended stay padded, or not padded.

    Raises:
        ConfigurationError: one would change.
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
    """The items of one namespace that become entries, most frequent first, ties in the order they came in.

    Args:
        counts: how often each item was seen.
        max_size: keep no more than so many, whatever the other limits then drop; None or 0 for all.
        min_count: items seen more rarely are dropped.
        pretrained: words of which there are vectors.
        only_pretrained: whether to drop items without a vector. Otherwise having one saves an item that is
            too rare.
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
    """The words of a file of word vectors, in its order, each once.

    Args:
        file_uri: as for `EmbeddingsTextFile`.
    """
    words: dict[str, None] = {}
    with EmbeddingsTextFile(file_uri) as lines:
        for number, line in enumerate(lines, start=1):
            word, space, _ = line.partition(" ")
            if space:
                words[word] = None
            else:
                logger.warning(
                    "%s: line %d has no space, so no word and no vector: skipped", file_uri, number
                )
    return list(words)
