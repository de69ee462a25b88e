"""Counting, indexing and batching many fields at once, by their classes' whole-list methods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpreg.data.fields.field import Field, VocabCounter
from nlpreg.data.whole_list import speaks_for

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary

AnyField = Field[Any]


def count_fields(fields: Sequence[AnyField], counter: VocabCounter) -> None:
    """`count_vocab_items` of each field, group by group, with the same result as field by field."""
    counts: list[VocabCounter] = []
    for members in _groups(fields):
        counts.append(new_counter())
        cls = type(members[0])
        if speaks_for(cls, "count_many", "count_vocab_items"):
            cls.count_many(members, counts[-1])
        else:
            for field in members:
                field.count_vocab_items(counts[-1])
    if not merge_counts(counts, counter):
        for field in fields:
            field.count_vocab_items(counter)


def index_fields(fields: Sequence[AnyField], vocab: Vocabulary) -> None:
    """`index` of each field, group by group."""
    for members in _groups(fields):
        cls = type(members[0])
        if speaks_for(cls, "index_many", "index"):
            cls.index_many(members, vocab)
        else:
            for field in members:
                field.index(vocab)


def padding_lengths_of_fields(fields: Sequence[AnyField]) -> dict[str, int]:
    """The greatest padding lengths of fields, as a rule of one class."""
    cls = type(fields[0])
    if len(set(map(type, fields))) == 1 and speaks_for(cls, "padding_lengths_of_many", "get_padding_lengths"):
        return cls.padding_lengths_of_many(fields)
    return Field.padding_lengths_of_many(fields)


def batch_fields(fields: Sequence[AnyField], padding_lengths: Mapping[str, int]) -> Any:
    """The tensors of fields of one class, merged into one tensor or one structure of tensors."""
    cls = type(fields[0])
    if speaks_for(cls, "as_tensor_of_many", "as_tensor", "batch_tensors"):
        return cls.as_tensor_of_many(fields, padding_lengths)
    return Field.as_tensor_of_many(fields, padding_lengths)


def new_counter() -> VocabCounter:
    """An empty counter of items by namespace."""
    return defaultdict(lambda: defaultdict(int))


def merge_counts(counts: Sequence[VocabCounter], counter: VocabCounter) -> bool:
    """Add counts to a counter, unless two of them share a namespace.

    In a shared namespace, the order in which items first appear is lost when they are counted apart, and with
    it the order of the ids of items that occur equally often.

    Returns:
        Whether they were added.
    """
    namespaces = [namespace for count in counts for namespace in count]
    if len(set(namespaces)) < len(namespaces):
        return False
    for count in counts:
        for namespace, items in count.items():
            add_counts(items, counter[namespace])
    return True


def add_counts(items: Mapping[str, int], totals: dict[str, int]) -> None:
    """Add the count of each item to its total."""
    if not totals:
        totals.update(items)
        return
    for item, number in items.items():
        totals[item] = totals.get(item, 0) + number


def _groups(fields: Sequence[AnyField]) -> list[list[AnyField]]:
    """The fields by class and group key, each group in the order given."""
    by_class: defaultdict[type[AnyField], list[AnyField]] = defaultdict(list)
    for field in fields:
        by_class[type(field)].append(field)
    groups: list[list[AnyField]] = []
    for cls, members in by_class.items():
        keys = [None] if cls.group_key is Field.group_key else [field.group_key() for field in members]
        if len(set(keys)) == 1:
            groups.append(members)
            continue
        by_key: defaultdict[Hashable, list[AnyField]] = defaultdict(list)
        for key, field in zip(keys, members, strict=True):
            by_key[key].append(field)
        groups += by_key.values()
    return groups
