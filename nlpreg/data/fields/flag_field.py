"""A value that is the same for all instances of a batch."""

from typing import Any

from nlpreg.data.fields.field import UnpaddedField


class FlagField(UnpaddedField[Any]):
    """A value for the whole batch, passed to the model unchanged, such as a flag that selects what to compute.

    Args:
        flag_value: any value that can be compared.

    Raises:
        ValueError: instances of one batch have different values.
    """

    __slots__ = ("flag_value",)

    def __init__(self, flag_value: Any) -> None:
        self.flag_value = flag_value

    def as_tensor(self, padding_lengths: dict[str, int]) -> Any:
        """The value."""
        return self.flag_value

    def empty_field(self) -> "FlagField":
        """The same value."""
        return FlagField(self.flag_value)

    def batch_tensors(self, tensor_list: list[Any]) -> Any:
        """The value that all share."""
        first = tensor_list[0]
        for value in tensor_list:
            if value != first:
                raise ValueError(
                    f"FlagField: expected one value in the whole batch, got {first!r} and {value!r}; keep instances of "
                    "different values in batches of their own, or use a MetadataField"
                )
        return first

    def human_readable_repr(self) -> Any:
        """The value."""
        return self.flag_value

    def __str__(self) -> str:
        return f"FlagField({self.flag_value})"
