"""Fields that are sequences."""

from nlpreg.data.fields.field import DataArray, Field


class SequenceField(Field[DataArray]):
    """A field that other fields can label or point into, element by element."""

    __slots__ = ()

    def sequence_length(self) -> int:
        """How many elements there are; padding does not count."""
        raise NotImplementedError(f"{type(self).__name__} has no sequence_length")
