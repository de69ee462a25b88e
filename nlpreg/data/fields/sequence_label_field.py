"""A label of each element of a sequence."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.columns import WordColumn, pad_rows, split_rows
from nlpreg.data.fields.field import Field, VocabCounter, add_counts, check_label_namespace, not_indexed
from nlpreg.data.fields.sequence_field import SequenceField

if TYPE_CHECKING:
    from typing_extensions import Self

    from nlpreg.data.vocabulary import Vocabulary


_STRINGS = {str}

UNKNOWN_LABEL_ID = -1
"""The id of elements whose label is not known."""


class SequenceLabelField(Field[torch.Tensor]):
    """A label for each element of a sequence, such as the part of speech of each word.

    Padding is 0, which is also the id of a real label: losses and metrics must mask it.

    Args:
        labels: all strings, which are looked up, or all ints, which are the ids.
        sequence_field: the sequence of labelled elements.
        label_namespace: namespace of the vocabulary that holds the labels.
        unknown_label: the label of elements whose class is not known, for partially labelled sequences. It is not an entry
            of the vocabulary; its id is -1, which losses and metrics ignore.

    Shape:
        `(num_tokens,)`, int64.

    Raises:
        ConfigurationError: the numbers of labels and elements differ, labels have mixed types, or the tensor is
            requested before `index`.
    """

    __slots__ = (
        "_indexed_labels",
        "_label_namespace",
        "_skip_indexing",
        "labels",
        "sequence_field",
        "unknown_label",
    )

    def __init__(
        self,
        labels: list[str] | list[int],
        sequence_field: SequenceField[Any],
        label_namespace: str = "labels",
        unknown_label: str | None = None,
    ) -> None:
        self.unknown_label = unknown_label
        self.labels = labels
        self.sequence_field = sequence_field
        self._label_namespace = label_namespace
        self._skip_indexing = False
        # a list of ints, or an array of them
        self._indexed_labels: Any = None
        check_label_namespace(label_namespace)
        if isinstance(labels, str):
            raise ConfigurationError(
                f"SequenceLabelField: expected a list of labels, one for each element, got the text {labels!r}"
            )
        if len(labels) != sequence_field.sequence_length():
            raise ConfigurationError(
                f"SequenceLabelField: expected a label for each of {sequence_field.sequence_length()} elements, got "
                f"{len(labels)}: {labels!r} for {sequence_field}"
            )
        types = set(map(type, labels))
        # comparing the types is faster than checking every label
        if types == _STRINGS:  # the usual case
            return
        if all(issubclass(one, int) for one in types):
            self._indexed_labels = labels
            self._skip_indexing = True
        elif not all(issubclass(one, str) for one in types):
            raise ConfigurationError(
                f"SequenceLabelField: expected labels that are all str or all int, got {labels!r}"
            )

    def count_vocab_items(self, counter: VocabCounter) -> None:
        """Count the labels."""
        self.count_many([self], counter)

    def index(self, vocab: Vocabulary) -> None:
        """Look up the labels."""
        if not self._skip_indexing:
            self._indexed_labels = _ids_of(
                list(map(str, self.labels)), vocab, self._label_namespace, self.unknown_label
            )

    def get_padding_lengths(self) -> dict[str, int]:
        """The number of elements."""
        return {"num_tokens": self.sequence_field.sequence_length()}

    def as_tensor(self, padding_lengths: dict[str, int]) -> torch.Tensor:
        """The ids, padded with 0."""
        return torch.from_numpy(pad_rows([self.label_ids], padding_lengths["num_tokens"])[0]).long()

    def empty_field(self) -> SequenceLabelField:
        """A field without labels, of an empty sequence."""
        empty: Any = self.sequence_field.empty_field()
        return SequenceLabelField([], empty, self._label_namespace, self.unknown_label)

    def group_key(self) -> Hashable:
        """The namespace: labels of one namespace are counted and indexed together."""
        return self._label_namespace, self._skip_indexing, self.unknown_label

    @classmethod
    def count_many(cls, fields: Sequence[Self], counter: VocabCounter) -> None:
        """Count all labels."""
        if not fields[0].holds_ids:
            labels: Counter[Any] = Counter(itertools.chain.from_iterable(field.labels for field in fields))
            labels.pop(fields[0].unknown_label, None)
            add_counts(labels, counter[fields[0].label_namespace])

    @classmethod
    def index_many(cls, fields: Sequence[Self], vocab: Vocabulary) -> None:
        """Look up each distinct label once; every field gets an array of ids."""
        if fields[0].holds_ids:
            return
        labels: list[Any] = [field.labels for field in fields]
        column = WordColumn(labels)
        ids = _ids_of(
            column.words, vocab, fields[0].label_namespace, fields[0].unknown_label
        )  # (distinct labels,)
        rows = split_rows(np.array(ids, np.int32)[column.numbers], column.lengths)
        for field, row in zip(fields, rows, strict=True):
            field.label_ids = row

    @classmethod
    def padding_lengths_of_many(cls, fields: Sequence[Self]) -> dict[str, int]:
        """The maximum number of elements."""
        return {"num_tokens": max([field.sequence_field.sequence_length() for field in fields])}

    @classmethod
    def as_tensor_of_many(cls, fields: Sequence[Self], padding_lengths: Mapping[str, int]) -> torch.Tensor:
        """The ids of all fields: `(num_fields, num_tokens)`."""
        rows = [field.label_ids for field in fields]
        return torch.from_numpy(pad_rows(rows, padding_lengths["num_tokens"])).long()

    def human_readable_repr(self) -> list[str] | list[int]:
        """The labels."""
        return self.labels

    @property
    def label_namespace(self) -> str:
        """Namespace of the vocabulary that holds the labels."""
        return self._label_namespace

    @property
    def holds_ids(self) -> bool:
        """Whether the labels are already ids, which are neither counted nor looked up."""
        return self._skip_indexing

    @property
    def label_ids(self) -> Any:
        """The ids of the labels: a list of ints, or an array of them.

        Raises:
            ConfigurationError: they are not indexed yet.
        """
        if self._indexed_labels is None:
            raise not_indexed(self, f"the labels {self.labels!r} are")
        return self._indexed_labels

    @label_ids.setter
    def label_ids(self, ids: Any) -> None:
        self._indexed_labels = ids

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[str | int]:
        return iter(self.labels)

    @overload
    def __getitem__(self, index: int) -> str | int: ...
    @overload
    def __getitem__(self, index: slice) -> list[str] | list[int]: ...
    def __getitem__(self, index: int | slice) -> str | int | list[str] | list[int]:
        return self.labels[index]

    def __str__(self) -> str:
        return (
            f"SequenceLabelField of length {len(self)} with labels: {self.labels} "
            f"in namespace: '{self._label_namespace}'."
        )


def _ids_of(labels: Sequence[str], vocab: Vocabulary, namespace: str, unknown_label: str | None) -> list[int]:
    """The ids of labels, -1 for the unknown one."""
    if unknown_label not in labels:
        return vocab.get_token_indices(labels, namespace)
    known = [label for label in labels if label != unknown_label]
    ids = dict(zip(known, vocab.get_token_indices(known, namespace), strict=True))
    return [ids.get(label, UNKNOWN_LABEL_ID) for label in labels]
