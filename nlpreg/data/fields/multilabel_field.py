"""Several classes of the whole instance."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.fields.field import UnpaddedField, VocabCounter, check_label_namespace, not_indexed

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary


class MultiLabelField(UnpaddedField[torch.Tensor]):
    """Any number of labels, as a vector that is 1 at each of them.

    Args:
        labels: strings to look up or, with `skip_indexing`, ids.
        label_namespace: namespace of the vocabulary that holds the labels.
        skip_indexing: whether the labels are already ids; needs `num_labels`.
        num_labels: length of the vector; by default the size of the namespace when the field is indexed.

    Shape:
        `(num_labels,)`, int64.

    Raises:
        ConfigurationError: the labels do not agree with `skip_indexing` and `num_labels`, or the tensor is
            requested before `index`.
    """

    __slots__ = ("_label_ids", "_label_namespace", "_num_labels", "_skip_indexing", "labels")

    def __init__(
        self,
        labels: Sequence[str | int],
        label_namespace: str = "labels",
        skip_indexing: bool = False,
        num_labels: int | None = None,
    ) -> None:
        self.labels = labels
        self._label_namespace = label_namespace
        self._skip_indexing = skip_indexing
        self._num_labels = num_labels
        self._label_ids: list[int] | None = None
        check_label_namespace(label_namespace)
        expected = int if skip_indexing else str
        if not all(isinstance(label, expected) for label in labels):
            raise ConfigurationError(
                f"MultiLabelField: expected labels of type {expected.__name__} with skip_indexing={skip_indexing}, got "
                f"{list(labels)!r}"
            )
        if skip_indexing:
            ids = [int(label) for label in labels]
            if ids and num_labels is None:
                raise ConfigurationError(
                    "MultiLabelField: expected num_labels with skip_indexing, got none; give it"
                )
            if ids and max(ids) >= (num_labels or 0):
                raise ConfigurationError(
                    f"MultiLabelField: expected labels below num_labels={num_labels}, got {max(ids)}"
                )
            self._label_ids = ids

    def count_vocab_items(self, counter: VocabCounter) -> None:
        """Count every label."""
        if not self._skip_indexing:
            for label in self.labels:
                counter[self._label_namespace][str(label)] += 1

    def index(self, vocab: "Vocabulary") -> None:
        """Look up every label."""
        if not self._skip_indexing:
            self._label_ids = vocab.get_token_indices(map(str, self.labels), self._label_namespace)
        if self._num_labels is None:
            self._num_labels = vocab.get_vocab_size(self._label_namespace)

    def as_tensor(self, padding_lengths: dict[str, int]) -> torch.Tensor:
        """The vector: 1 at the labels, 0 elsewhere."""
        if self._label_ids is None or self._num_labels is None:
            raise not_indexed(self, f"the labels {list(self.labels)!r} are")
        tensor = torch.zeros(self._num_labels, dtype=torch.int64)
        tensor[self._label_ids] = 1
        return tensor

    def empty_field(self) -> "MultiLabelField":
        """A field without labels, whose vector is zero."""
        return MultiLabelField([], self._label_namespace, skip_indexing=True, num_labels=self._num_labels)

    def human_readable_repr(self) -> list[str | int]:
        """The labels."""
        return list(self.labels)

    def __str__(self) -> str:
        return f"MultiLabelField with labels: {self.labels} in namespace: '{self._label_namespace}'."
