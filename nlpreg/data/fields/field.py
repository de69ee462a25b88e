"""The base class of fields."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Dict, Generic, TypeVar  # noqa: UP035 - aliases that plugins import

import torch

if TYPE_CHECKING:
    from typing_extensions import Self

    from nlpreg.data.vocabulary import Vocabulary

DataArray = TypeVar("DataArray")
VocabCounter = Dict[str, Dict[str, int]]  # noqa: UP006


class Field(Generic[DataArray]):
    """One named part of an instance: it counts and indexes its items, and becomes a tensor.

    A subclass writes the abstract methods below and whichever of the others it needs. The methods with `many`
    in their name are the same work for many fields of one class at once. Nobody needs to write them; a class
    that does makes its corpora faster, and a subclass that overrides a method for one field has its override
    called all the same.
    """

    __slots__ = ()

    def count_vocab_items(self, counter: VocabCounter) -> None:
        """Add what the vocabulary should know: `counter[namespace][item] += 1`."""

    def index(self, vocab: Vocabulary) -> None:
        """Turn strings into ids, in place."""

    def get_padding_lengths(self) -> dict[str, int]:
        """The lengths of this field that padding must make equal within a batch; called after `index`."""
        raise NotImplementedError(f"{type(self).__name__} has no get_padding_lengths")

    def as_tensor(self, padding_lengths: dict[str, int]) -> DataArray:
        """The tensor of this field, or a dictionary of tensors, padded or cut to the given lengths."""
        raise NotImplementedError(f"{type(self).__name__} has no as_tensor")

    def empty_field(self) -> Field[Any]:
        """A field, indexed already, that pads lists of fields like this one."""
        raise NotImplementedError(f"{type(self).__name__} has no empty_field")

    def batch_tensors(self, tensor_list: list[DataArray]) -> DataArray:
        """What `as_tensor` gave for each instance of a batch, as one: stacked, unless overridden."""
        return torch.stack(tensor_list)  # type: ignore[return-value, arg-type]  # fields of other kinds override it

    def human_readable_repr(self) -> Any:
        """The content of this field as plain values that JSON can hold."""
        raise NotImplementedError(f"{type(self).__name__} has no human_readable_repr")

    def duplicate(self) -> Self:
        """A copy that can be changed without changing this field."""
        return copy.deepcopy(self)

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no length")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name, None) == getattr(other, name, None) for name in _attributes(self))

    __hash__ = None  # type: ignore[assignment]  # equal by value, and open to change

    def group_key(self) -> Hashable:
        """Fields of one class and equal keys may be counted and indexed together."""
        return None

    @classmethod
    def count_many(cls, fields: Sequence[Self], counter: VocabCounter) -> None:
        """`count_vocab_items` of each field; items must come in the order of one field after the other."""
        if cls.count_vocab_items is not Field.count_vocab_items:
            for field in fields:
                field.count_vocab_items(counter)

    @classmethod
    def index_many(cls, fields: Sequence[Self], vocab: Vocabulary) -> None:
        """`index` of each field."""
        if cls.index is not Field.index:
            for field in fields:
                field.index(vocab)

    @classmethod
    def padding_lengths_of_many(cls, fields: Sequence[Self]) -> dict[str, int]:
        """The greatest of `get_padding_lengths` over all fields, for each key."""
        longest: defaultdict[str, int] = defaultdict(int)
        for field in fields:
            for key, length in field.get_padding_lengths().items():
                longest[key] = max(longest[key], length)
        return dict(longest)

    @classmethod
    def as_tensor_of_many(cls, fields: Sequence[Self], padding_lengths: Mapping[str, int]) -> DataArray:
        """`as_tensor` of each field, merged by `batch_tensors` of the first."""
        lengths = dict(padding_lengths)
        return fields[0].batch_tensors([field.as_tensor(lengths) for field in fields])


def _attributes(field: Field[Any]) -> list[str]:
    """The names of all attributes that a field may have."""
    slots = [name for cls in type(field).__mro__ for name in getattr(cls, "__slots__", ())]
    return [*slots, *getattr(field, "__dict__", ())]
