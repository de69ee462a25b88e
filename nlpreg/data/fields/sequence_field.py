"""Fields that are sequences."""

from nlpreg.data.fields.field import DataArray, Field


class SequenceField(Field[DataArray]):
    """A field whose elements other fields can label or refer to."""

    __slots__ = ()

    def sequence_length(self) -> int:
        """The number of elements, without padding."""
        raise NotImplementedError(f"{type(self).__name__} has no sequence_length")
