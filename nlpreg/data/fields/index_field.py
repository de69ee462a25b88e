"""A position in a sequence."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.fields.field import UnpaddedField
from nlpreg.data.fields.sequence_field import SequenceField

if TYPE_CHECKING:
    from typing_extensions import Self


class IndexField(UnpaddedField[torch.Tensor]):
    """The index of one element of a sequence, such as the right answer among several; -1 for none.

    Args:
        index: from 0; a Python int.
        sequence_field: what it points into.

    Shape:
        `(1,)`, int64.

    Raises:
        ConfigurationError: the index is not an int.
    """

    __slots__ = ("sequence_field", "sequence_index")

    def __init__(self, index: int, sequence_field: SequenceField[Any]) -> None:
        if not isinstance(index, int):
            raise ConfigurationError(f"IndexField: expected an int, got {index!r} ({type(index).__name__})")
        self.sequence_index = index
        self.sequence_field = sequence_field

    def as_tensor(self, padding_lengths: dict[str, int]) -> torch.Tensor:
        """The index."""
        return torch.tensor([self.sequence_index], dtype=torch.int64)

    def empty_field(self) -> "IndexField":
        """The index -1."""
        return IndexField(-1, self.sequence_field)

    @classmethod
    def as_tensor_of_many(cls, fields: "Sequence[Self]", padding_lengths: Mapping[str, int]) -> torch.Tensor:
        """The indices of all fields: `(num_fields, 1)`."""
        return torch.tensor([[field.sequence_index] for field in fields], dtype=torch.int64)

    def human_readable_repr(self) -> int:
        """The index."""
        return self.sequence_index

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.sequence_index == other
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # equal by value, and open to change

    def __str__(self) -> str:
        return f"IndexField with index: {self.sequence_index}."
