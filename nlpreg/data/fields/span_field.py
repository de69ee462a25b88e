"""A span of a sequence."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from nlpreg.data.fields.field import UnpaddedField
from nlpreg.data.fields.sequence_field import SequenceField

if TYPE_CHECKING:
    from typing_extensions import Self


class SpanField(UnpaddedField[torch.Tensor]):
    """The first and the last element of a span of a sequence.

    Args:
        span_start: index of the first element, from 0.
        span_end: index of the last element (inclusive).
        sequence_field: the sequence that contains the span.

    Shape:
        `(2,)`, int64; as padding of lists, (-1, -1).

    Raises:
        TypeError: an index is not an int.
        ValueError: the span ends before it starts, or after the end of the sequence.
    """

    __slots__ = ("sequence_field", "span_end", "span_start")

    def __init__(self, span_start: int, span_end: int, sequence_field: SequenceField[Any]) -> None:
        self.span_start = span_start
        self.span_end = span_end
        self.sequence_field = sequence_field
        if not isinstance(span_start, int) or not isinstance(span_end, int):
            raise TypeError(f"SpanField: expected two ints, got {span_start!r} and {span_end!r}")
        if span_start > span_end:
            raise ValueError(
                f"SpanField: expected a span that ends where it starts or later, got {(span_start, span_end)}"
            )
        if span_end > sequence_field.sequence_length() - 1:
            raise ValueError(
                f"SpanField: expected a span within {sequence_field.sequence_length()} elements, got "
                f"{(span_start, span_end)}; the end is the last element, not the one after it"
            )

    def as_tensor(self, padding_lengths: dict[str, int]) -> torch.Tensor:
        """Start and end."""
        return torch.tensor([self.span_start, self.span_end], dtype=torch.int64)

    def empty_field(self) -> "SpanField":
        """The span (-1, -1)."""
        return SpanField(-1, -1, self.sequence_field)

    @classmethod
    def as_tensor_of_many(cls, fields: "Sequence[Self]", padding_lengths: Mapping[str, int]) -> torch.Tensor:
        """The spans of all fields: `(num_fields, 2)`."""
        return torch.tensor([[field.span_start, field.span_end] for field in fields], dtype=torch.int64)

    def human_readable_repr(self) -> tuple[int, int]:
        """Start and end."""
        return self.span_start, self.span_end

    def __len__(self) -> int:
        return 2

    def __eq__(self, other: object) -> bool:
        if isinstance(other, tuple):
            return other == (self.span_start, self.span_end)
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # equal by value, and open to change

    def __str__(self) -> str:
        return f"SpanField with spans: ({self.span_start}, {self.span_end})."
