"""Data that accompany an instance without becoming a tensor."""

from collections.abc import Iterator, Mapping
from typing import Any

from nlpreg.data.fields.field import UnpaddedField


class MetadataField(UnpaddedField[Any], Mapping[str, Any]):
    """Any object, passed to the model in a list with one for each instance.

    If the object is a mapping, so is the field.

    Args:
        metadata: the object.

    Raises:
        TypeError: the field is used as a mapping, and the object is not a mapping.
    """

    __slots__ = ("metadata",)

    def __init__(self, metadata: Any) -> None:
        self.metadata = metadata

    def __getitem__(self, key: str) -> Any:
        return self._mapping()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping())

    def __len__(self) -> int:
        return len(self._mapping())

    def _mapping(self) -> Mapping[str, Any]:
        if not isinstance(self.metadata, Mapping):
            raise TypeError(
                f"MetadataField: expected metadata that is a mapping, got {type(self.metadata).__name__}; use `.metadata`"
            )
        return self.metadata

    def as_tensor(self, padding_lengths: dict[str, int]) -> Any:
        """The object."""
        return self.metadata

    def empty_field(self) -> "MetadataField":
        """None."""
        return MetadataField(None)

    def batch_tensors(self, tensor_list: list[Any]) -> Any:
        """The objects as a list."""
        return tensor_list

    def human_readable_repr(self) -> Any:
        """The object."""
        return self.metadata

    def __str__(self) -> str:
        return "MetadataField (print field.metadata to see its content)."
