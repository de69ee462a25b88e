"""A list of fields."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import torch

from nlpreg.data.columns import can_use_batched
from nlpreg.data.fields.field import (
    DataArray,
    Field,
    VocabCounter,
    batch_fields,
    count_fields,
    index_fields,
    padding_lengths_of_fields,
)
from nlpreg.data.fields.sequence_field import SequenceField

if TYPE_CHECKING:
    from typing_extensions import Self

    from nlpreg.data.vocabulary import Vocabulary

_CHILD = "list_"


class ListField(SequenceField[DataArray]):
    """A list of fields of one class, such as the sentences of a document, the spans of a sentence, or other lists.

    Shorter lists of a batch are padded with the empty field of their first element. A list must not be empty; an empty list
    is represented by one `empty_field()`.

    Args:
        field_list: the fields.

    Shape:
        that of its fields with an additional first dimension, `num_fields`.

    Raises:
        AssertionError: there are no fields, or fields of several classes.
    """

    __slots__ = ("field_list",)

    def __init__(self, field_list: Sequence[Field[Any]]) -> None:
        classes = set(map(type, field_list))
        assert len(classes) == 1, (
            "ListField: expected fields of one class, and at least one, got "
            f"{sorted(cls.__name__ for cls in classes)}; for a list that may be empty, put one empty_field() into it"
        )
        self.field_list: list[Field[Any]] = list(field_list)

    def count_vocab_items(self, counter: VocabCounter) -> None:
        """Count the items of every field."""
        count_fields(self.field_list, counter)

    def index(self, vocab: Vocabulary) -> None:
        """Index every field."""
        index_fields(self.field_list, vocab)

    def get_padding_lengths(self) -> dict[str, int]:
        """The number of fields and, under `list_key`, the maximum lengths of the fields, at least 1."""
        return self.padding_lengths_of_many([self])

    def as_tensor(self, padding_lengths: dict[str, int]) -> DataArray:
        """The tensors of the fields, stacked."""
        lengths = _child_lengths(padding_lengths)
        tensors = [field.as_tensor(lengths) for field in self.padded_fields(padding_lengths["num_fields"])]
        merged: DataArray = self.field_list[0].batch_tensors(tensors)
        return merged

    def empty_field(self) -> ListField[DataArray]:
        """A list of one empty field."""
        return ListField([self.field_list[0].empty_field()])

    def batch_tensors(self, tensor_list: list[DataArray]) -> DataArray:
        """Merge tensors as the fields do."""
        merged: DataArray = self.field_list[0].batch_tensors(tensor_list)
        return merged

    def group_key(self) -> Hashable:
        """The group key of the fields: lists of such fields are counted and indexed together."""
        return type(self.field_list[0]), self.field_list[0].group_key()

    @classmethod
    def count_many(cls, fields: Sequence[Self], counter: VocabCounter) -> None:
        """Count the fields of all lists together."""
        count_fields(_children(fields), counter)

    @classmethod
    def index_many(cls, fields: Sequence[Self], vocab: Vocabulary) -> None:
        """Index the fields of all lists together."""
        index_fields(_children(fields), vocab)

    @classmethod
    def padding_lengths_of_many(cls, fields: Sequence[Self]) -> dict[str, int]:
        """The greatest lengths over all lists."""
        children = padding_lengths_of_fields(_children(fields))
        return {
            "num_fields": max(len(field) for field in fields),
            # a length of 0 would give a tensor without elements, which encoders do not accept
            **{_CHILD + key: max(1, length) for key, length in children.items()},
        }

    @classmethod
    def as_tensor_of_many(cls, fields: Sequence[Self], padding_lengths: Mapping[str, int]) -> DataArray:
        """The tensors of the fields of all lists, made as one batch and split into lists."""
        num_fields = padding_lengths["num_fields"]
        if num_fields == 0 or not _merge_row_by_row(_children(fields)):
            return super().as_tensor_of_many(fields, padding_lengths)
        # all fields as one batch of num_lists * num_fields rows
        padded = [child for field in fields for child in field.padded_fields(num_fields)]
        parts: DataArray = _cut(batch_fields(padded, _child_lengths(padding_lengths)), num_fields)
        return parts

    def padded_fields(self, num_fields: int) -> list[Field[Any]]:
        """The first `num_fields` fields, padded with empty ones."""
        missing = num_fields - len(self.field_list)
        if missing <= 0:
            return self.field_list[:num_fields]
        return self.field_list + [self.field_list[0].empty_field()] * missing

    def sequence_length(self) -> int:
        """The number of fields."""
        return len(self.field_list)

    def human_readable_repr(self) -> list[Any]:
        """The readable form of each field."""
        return [field.human_readable_repr() for field in self.field_list]

    def __len__(self) -> int:
        return len(self.field_list)

    def __iter__(self) -> Iterator[Field[Any]]:
        return iter(self.field_list)

    @overload
    def __getitem__(self, index: int) -> Field[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Field[Any]]: ...
    def __getitem__(self, index: int | slice) -> Field[Any] | list[Field[Any]]:
        return self.field_list[index]

    def __str__(self) -> str:
        fields = " \n".join(f"\t {field}" for field in self.field_list)
        return f"ListField of {len(self)} {type(self.field_list[0]).__name__}s : \n{fields}"


def _children(fields: Sequence[ListField[Any]]) -> list[Field[Any]]:
    """The fields of all lists, one list after the other."""
    return [child for field in fields for child in field.field_list]


def _merge_row_by_row(fields: list[Field[Any]]) -> bool:
    """Whether fields can be batched together and their rows then divided between the lists."""
    classes = set(map(type, fields))
    if len(classes) > 1 or not can_use_batched(classes.pop(), "as_tensor_of_many", "batch_tensors"):
        return False
    lists = [field for field in fields if isinstance(field, ListField)]
    return not lists or _merge_row_by_row(_children(lists))


def _child_lengths(padding_lengths: Mapping[str, int]) -> dict[str, int]:
    """The padding lengths of the fields of a list, under the keys of the fields."""
    return {key[len(_CHILD) :]: length for key, length in padding_lengths.items() if key.startswith(_CHILD)}


def _cut(merged: Any, size: int) -> Any:
    """Reshape a batch of fields to a batch of lists of `size` fields; tensors get one more dimension."""
    if isinstance(merged, torch.Tensor):
        return merged.view(-1, size, *merged.shape[1:])
    return {key: _cut(value, size) for key, value in merged.items()}
