"""Several classes of each element of a sequence."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.columns import RowTable, TableRows, WordColumn, lengths_of, lengths_of_elements, pad_elements
from nlpreg.data.fields.field import Field, VocabCounter, add_counts, not_indexed
from nlpreg.data.fields.sequence_field import SequenceField

if TYPE_CHECKING:
    from typing_extensions import Self

    from nlpreg.data.vocabulary import Vocabulary


class SequenceMultiLabelField(Field[torch.Tensor]):
    """Any number of labels for each element of a sequence, such as the morphological features of each word.

    The namespace must be padded: padding is 0, and an unknown label is 1.

    Args:
        labels: the labels of each element, without duplicates.
        sequence_field: the sequence of labelled elements.
        label_namespace: namespace of the vocabulary that holds the labels.

    Shape:
        `(num_tokens, num_labels)`, int64, the ids of the labels of each element, padded with 0.

    Raises:
        ConfigurationError: the numbers of lists of labels and of elements differ, or the tensor is requested before `index`.
    """

    __slots__ = ("_label_ids", "label_namespace", "labels", "sequence_field")

    def __init__(
        self,
        labels: Sequence[Sequence[str]],
        sequence_field: SequenceField[Any],
        label_namespace: str = "features",
    ) -> None:
        self.labels = labels
        self.sequence_field = sequence_field
        self.label_namespace = label_namespace
        # for each element a list of ids
        self._label_ids: Sequence[Sequence[int]] | None = None
        if len(labels) != sequence_field.sequence_length():
            raise ConfigurationError(
                "SequenceMultiLabelField: expected a list of labels for each of "
                f"{sequence_field.sequence_length()} elements, got {len(labels)}: {list(labels)!r}"
            )

    def count_vocab_items(self, counter: VocabCounter) -> None:
        """Count every label."""
        self.count_many([self], counter)

    def index(self, vocab: Vocabulary) -> None:
        """Look up every label."""
        self.index_many([self], vocab)

    def get_padding_lengths(self) -> dict[str, int]:
        """The number of elements, and the maximum number of labels of an element."""
        return self.padding_lengths_of_many([self])

    def as_tensor(self, padding_lengths: dict[str, int]) -> torch.Tensor:
        """The ids, padded with 0."""
        return self.as_tensor_of_many([self], padding_lengths)[0]

    def empty_field(self) -> SequenceMultiLabelField:
        """A field without labels, of an empty sequence."""
        empty: Any = self.sequence_field.empty_field()
        field = SequenceMultiLabelField([], empty, self.label_namespace)
        field.label_ids = []
        return field

    def group_key(self) -> Hashable:
        """The namespace: labels of one namespace are counted and indexed together."""
        return self.label_namespace

    @classmethod
    def count_many(cls, fields: Sequence[Self], counter: VocabCounter) -> None:
        """Count all labels."""
        labels = itertools.chain.from_iterable(
            itertools.chain.from_iterable(field.labels for field in fields)
        )
        add_counts(Counter(labels), counter[fields[0].label_namespace])

    @classmethod
    def index_many(cls, fields: Sequence[Self], vocab: Vocabulary) -> None:
        """Look up each distinct label once; all fields refer to one table of the distinct lists of labels."""
        # There are few distinct lists of labels, so each is a row of a table, and an element is the number of its row.
        number_of: dict[tuple[str, ...], int] = {}
        numbers = [
            [number_of.setdefault(tuple(labels), len(number_of)) for labels in field.labels]
            for field in fields
        ]
        column = WordColumn(list(number_of))
        ids = np.array(vocab.get_token_indices(column.words, fields[0].label_namespace), np.int64)
        table = RowTable(ids[column.numbers], lengths_of(list(number_of)))
        for field, rows in zip(fields, numbers, strict=True):
            field.label_ids = TableRows(table, np.array(rows, np.int32))

    @classmethod
    def padding_lengths_of_many(cls, fields: Sequence[Self]) -> dict[str, int]:
        """The maximum numbers of elements, and of labels of an element."""
        return {
            "num_tokens": max(field.sequence_field.sequence_length() for field in fields),
            "num_labels": int(lengths_of_elements([field.label_ids for field in fields]).max(initial=0)),
        }

    @classmethod
    def as_tensor_of_many(cls, fields: Sequence[Self], padding_lengths: Mapping[str, int]) -> torch.Tensor:
        """The ids of all fields: `(num_fields, num_tokens, num_labels)`."""
        rows = [field.label_ids for field in fields]
        padded = pad_elements(rows, padding_lengths["num_tokens"], padding_lengths["num_labels"])
        return torch.from_numpy(padded)

    def human_readable_repr(self) -> list[list[str]]:
        """The labels of each element."""
        return [list(labels) for labels in self.labels]

    @property
    def label_ids(self) -> Sequence[Sequence[int]]:
        """The ids of the labels of each element.

        Raises:
            ConfigurationError: they are not indexed yet.
        """
        if self._label_ids is None:
            raise not_indexed(self, f"the labels {list(self.labels)!r} are")
        return self._label_ids

    @label_ids.setter
    def label_ids(self, ids: Sequence[Sequence[int]]) -> None:
        self._label_ids = ids

    def __len__(self) -> int:
        return len(self.labels)

    def __str__(self) -> str:
        return (
            f"SequenceMultiLabelField of length {len(self)} with labels: {list(self.labels)} "
            f"in namespace: '{self.label_namespace}'."
        )
