"""A label of the whole instance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.fields.field import (
    UnpaddedField,
    VocabCounter,
    add_counts,
    check_label_namespace,
    not_indexed,
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from nlpreg.data.vocabulary import Vocabulary


class LabelField(UnpaddedField[torch.Tensor]):
    """One label, of an instance or of an element of a `ListField`, where -1 stands for padding.

    Args:
        label: a string to look up or, with `skip_indexing`, the id.
        label_namespace: namespace of the vocabulary that holds the labels.
        skip_indexing: whether the label is already an id, which is not looked up in the vocabulary.

    Shape:
        `()`, int64.

    Raises:
        ConfigurationError: the label is not an int with `skip_indexing`, or not a str without; or the tensor is
            requested before `index`.
    """

    __slots__ = ("_label_id", "_label_namespace", "_skip_indexing", "label")

    def __init__(
        self, label: str | int, label_namespace: str = "labels", skip_indexing: bool = False
    ) -> None:
        self.label = label
        self._label_namespace = label_namespace
        self._skip_indexing = skip_indexing
        self._label_id: int | None = None
        check_label_namespace(label_namespace)
        expected = int if skip_indexing else str
        if not isinstance(label, expected):
            hint = "" if skip_indexing else "; for labels that are ids already, set skip_indexing"
            raise ConfigurationError(
                f"LabelField: expected a label of type {expected.__name__} with skip_indexing={skip_indexing}, got "
                f"{label!r} ({type(label).__name__}){hint}"
            )
        if skip_indexing:
            self._label_id = int(label)

    def count_vocab_items(self, counter: VocabCounter) -> None:
        """Count the label."""
        self.count_many([self], counter)

    def index(self, vocab: Vocabulary) -> None:
        """Look up the label."""
        self.index_many([self], vocab)

    def as_tensor(self, padding_lengths: dict[str, int]) -> torch.Tensor:
        """The id."""
        return torch.tensor(self.label_id, dtype=torch.int64)

    def empty_field(self) -> LabelField:
        """The label -1."""
        return LabelField(-1, self._label_namespace, skip_indexing=True)

    def group_key(self) -> Hashable:
        """The namespace: labels of one namespace are counted and indexed together."""
        return self._label_namespace, self._skip_indexing

    @classmethod
    def count_many(cls, fields: Sequence[Self], counter: VocabCounter) -> None:
        """Count all labels."""
        if not fields[0].holds_id:
            add_counts(Counter(str(field.label) for field in fields), counter[fields[0].label_namespace])

    @classmethod
    def index_many(cls, fields: Sequence[Self], vocab: Vocabulary) -> None:
        """Look up each distinct label once."""
        if fields[0].holds_id:
            return
        distinct = list(dict.fromkeys(str(field.label) for field in fields))
        id_of = dict(zip(distinct, vocab.get_token_indices(distinct, fields[0].label_namespace), strict=True))
        for field in fields:
            field._label_id = id_of[str(field.label)]

    @classmethod
    def as_tensor_of_many(cls, fields: Sequence[Self], padding_lengths: Mapping[str, int]) -> torch.Tensor:
        """The ids of all fields."""
        return torch.tensor([field.label_id for field in fields], dtype=torch.int64)

    def human_readable_repr(self) -> str | int:
        """The label."""
        return self.label

    @property
    def label_namespace(self) -> str:
        """Namespace of the vocabulary that holds the label."""
        return self._label_namespace

    @property
    def holds_id(self) -> bool:
        """Whether the label is already an id, which is neither counted nor looked up."""
        return self._skip_indexing

    @property
    def label_id(self) -> int:
        """The id of the label.

        Raises:
            ConfigurationError: it is not indexed yet.
        """
        if self._label_id is None:
            raise not_indexed(self, f"the label {self.label!r} is")
        return self._label_id

    def __str__(self) -> str:
        return f"LabelField with label: {self.label} in namespace: '{self._label_namespace}'."
