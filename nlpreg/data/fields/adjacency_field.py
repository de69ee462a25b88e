"""Relations between the elements of a sequence."""

from typing import TYPE_CHECKING, Any

import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.fields.field import Field, VocabCounter, check_label_namespace, not_indexed
from nlpreg.data.fields.sequence_field import SequenceField

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary


class AdjacencyField(Field[torch.Tensor]):
    """A matrix over the pairs of elements of a sequence, with an entry for each pair that is related.

    Args:
        indices: the related pairs, (row, column), each once.
        sequence_field: the elements.
        labels: a label for each pair; without labels the entries are 1.
        label_namespace: namespace of the vocabulary that holds the labels.
        padding_value: value for unrelated pairs and padding.

    Shape:
        `(num_tokens, num_tokens)`, float.

    Raises:
        ConfigurationError: a pair is given twice or out of range, the numbers of labels and pairs differ, or the tensor
            is requested before `index`.
    """

    __slots__ = (
        "_indexed_labels",
        "_label_namespace",
        "_padding_value",
        "indices",
        "labels",
        "sequence_field",
    )

    def __init__(
        self,
        indices: list[tuple[int, int]],
        sequence_field: SequenceField[Any],
        labels: list[str] | None = None,
        label_namespace: str = "labels",
        padding_value: int = -1,
    ) -> None:
        self.indices = indices
        self.labels = labels
        self.sequence_field = sequence_field
        self._label_namespace = label_namespace
        self._padding_value = padding_value
        self._indexed_labels: list[int] | None = None
        check_label_namespace(label_namespace)
        length = sequence_field.sequence_length()
        if len(set(indices)) != len(indices):
            raise ConfigurationError(f"AdjacencyField: expected every pair once, got {indices}")
        if not all(0 <= index < length for pair in indices for index in pair):
            raise ConfigurationError(
                f"AdjacencyField: expected pairs of indices below {length}, got {indices}"
            )
        if labels is not None and len(labels) != len(indices):
            raise ConfigurationError(
                f"AdjacencyField: expected a label for each of {len(indices)} pairs, got {len(labels)}: {labels}"
            )

    def count_vocab_items(self, counter: VocabCounter) -> None:
        """Count the labels."""
        for label in self.labels or []:
            counter[self._label_namespace][label] += 1

    def index(self, vocab: "Vocabulary") -> None:
        """Look up the labels."""
        if self.labels is not None:
            self._indexed_labels = vocab.get_token_indices(self.labels, self._label_namespace)

    def get_padding_lengths(self) -> dict[str, int]:
        """The number of elements."""
        return {"num_tokens": self.sequence_field.sequence_length()}

    def as_tensor(self, padding_lengths: dict[str, int]) -> torch.Tensor:
        """The matrix."""
        size = padding_lengths["num_tokens"]
        if self.labels is None:
            values = [1] * len(self.indices)
        elif self._indexed_labels is None:
            raise not_indexed(self, f"the labels {self.labels!r} are")
        else:
            values = self._indexed_labels
        matrix = torch.full((size, size), float(self._padding_value))  # (num_tokens, num_tokens)
        for (row, column), value in zip(self.indices, values, strict=True):
            # the lengths may be shorter than the sequence, as in a truncated batch
            if row < size and column < size:
                matrix[row, column] = value
        return matrix

    def empty_field(self) -> "AdjacencyField":
        """A field without pairs, over an empty sequence."""
        empty: Any = self.sequence_field.empty_field()
        return AdjacencyField([], empty, padding_value=self._padding_value)

    def human_readable_repr(self) -> dict[str, list[Any]]:
        """The pairs under "indices", and their labels, if any, under "labels"."""
        shown: dict[str, list[Any]] = {"indices": self.indices}
        if self.labels is not None:
            shown["labels"] = self.labels
        return shown

    def __len__(self) -> int:
        return len(self.sequence_field)

    def __str__(self) -> str:
        return (
            f"AdjacencyField of length {self.sequence_field.sequence_length()} with indices: {self.indices} "
            f"and labels: {self.labels} in namespace: '{self._label_namespace}'."
        )
