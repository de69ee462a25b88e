"""`Field`, the base class of fields, and functions that count, index and batch many fields at once."""

from __future__ import annotations

import copy
import logging
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Dict, Generic, TypeVar  # noqa: UP035 - aliases that plugins import

import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.columns import can_use_batched

if TYPE_CHECKING:
    from typing_extensions import Self

    from nlpreg.data.vocabulary import Vocabulary


logger = logging.getLogger(__name__)

_seen: set[str] = set()


def check_label_namespace(namespace: str) -> None:
    """Warn once for each namespace of labels that is probably padded."""
    if namespace in _seen:
        return
    _seen.add(namespace)
    if not namespace.endswith(("labels", "tags")):
        logger.warning(
            "the label namespace %r ends in neither 'labels' nor 'tags', so by default it holds a padding and an "
            "unknown entry, which count as classes; rename it or add it to the vocabulary's non_padded_namespaces",
            namespace,
        )


DataArray = TypeVar("DataArray")
VocabCounter = Dict[str, Dict[str, int]]  # noqa: UP006


class NoTokenIndexersError(ValueError):
    """A text that is counted or made a tensor without token indexers.

    Args:
        field: the text field.
    """

    def __init__(self, field: Field[Any]) -> None:
        super().__init__(
            "this TextField has no token indexers: implement apply_token_indexers in the dataset reader, so that it "
            "sets them, or pass token_indexers when making the field"
        )
        self.field = field


class Field(Generic[DataArray]):
    """A named part of an instance: it counts and indexes its items, and becomes a tensor.

    A subclass implements the abstract methods below, and overrides others as needed. The methods with `many` in their
    name do the same work for many fields of one class at once, which is faster. They are optional; if a subclass
    overrides a method for a single field, its override is called.
    """

    __slots__ = ()

    def count_vocab_items(self, counter: VocabCounter) -> None:
        """Count the items for the vocabulary: `counter[namespace][item] += 1`."""

    def index(self, vocab: Vocabulary) -> None:
        """Turn strings into ids, in place."""

    def get_padding_lengths(self) -> dict[str, int]:
        """The lengths that have to be padded to the same value within a batch; called after `index`."""
        raise NotImplementedError(f"{type(self).__name__} has no get_padding_lengths")

    def as_tensor(self, padding_lengths: dict[str, int]) -> DataArray:
        """The tensor of this field, or a dictionary of tensors, padded or truncated to the given lengths."""
        raise NotImplementedError(f"{type(self).__name__} has no as_tensor")

    def empty_field(self) -> Field[Any]:
        """An indexed field that serves as padding in a list of fields like this one."""
        raise NotImplementedError(f"{type(self).__name__} has no empty_field")

    def batch_tensors(self, tensor_list: list[DataArray]) -> DataArray:
        """Merge the results of `as_tensor` for the instances of a batch; they are stacked unless overridden."""
        return torch.stack(tensor_list)  # type: ignore[return-value, arg-type]  # fields of other kinds override it

    def human_readable_repr(self) -> Any:
        """The content of this field as plain values for JSON."""
        raise NotImplementedError(f"{type(self).__name__} has no human_readable_repr")

    def duplicate(self) -> Self:
        """A copy that can be changed without changing this field."""
        return copy.deepcopy(self)

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no length")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        slots = [name for cls in type(self).__mro__ for name in getattr(cls, "__slots__", ())]
        names = [*slots, *getattr(self, "__dict__", ())]
        return all(_plain(getattr(self, name, None)) == _plain(getattr(other, name, None)) for name in names)

    __hash__ = None  # type: ignore[assignment]  # equal by value, and open to change

    def group_key(self) -> Hashable:
        """Fields of one class with equal keys may be counted and indexed together."""
        return None

    @classmethod
    def count_many(cls, fields: Sequence[Self], counter: VocabCounter) -> None:
        """`count_vocab_items` of each field; items must be counted field by field, in order."""
        for field in fields:
            field.count_vocab_items(counter)

    @classmethod
    def index_many(cls, fields: Sequence[Self], vocab: Vocabulary) -> None:
        """`index` of each field."""
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


def _plain(value: Any) -> Any:
    """A value whose comparison gives a bool: arrays and tensors as lists, since ids may be held in either form."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def _batched(fields: Sequence[AnyField], whole: str, *single: str) -> type[AnyField]:
    """The class whose method for many fields does what the methods for one do: that of the fields, or `Field`."""
    cls = type(fields[0])
    return cls if can_use_batched(cls, whole, *single) else Field


class UnpaddedField(Field[DataArray]):
    """A field of one size in every instance, such as a label, which needs no padding within a batch."""

    __slots__ = ()

    def get_padding_lengths(self) -> dict[str, int]:
        """Nothing to pad."""
        return {}

    @classmethod
    def padding_lengths_of_many(cls, fields: Sequence[Self]) -> dict[str, int]:
        """Nothing to pad."""
        return {}

    def __len__(self) -> int:
        return 1


AnyField = Field[Any]


def count_fields(fields: Sequence[AnyField], counter: VocabCounter) -> None:
    """`count_vocab_items` of each field, group by group, with the same result as field by field."""
    counts: list[VocabCounter] = []
    for members in _groups(fields):
        # groups are counted separately and then merged, if that keeps the order of first appearance
        counts.append(new_counter())
        _batched(members, "count_many", "count_vocab_items").count_many(members, counts[-1])
    if not merge_counts(counts, counter):
        Field.count_many(fields, counter)


def index_fields(fields: Sequence[AnyField], vocab: Vocabulary) -> None:
    """`index` of each field, group by group."""
    for members in _groups(fields):
        _batched(members, "index_many", "index").index_many(members, vocab)


def padding_lengths_of_fields(fields: Sequence[AnyField]) -> dict[str, int]:
    """The greatest padding lengths of fields, usually of one class."""
    if len(set(map(type, fields))) > 1:
        return Field.padding_lengths_of_many(fields)
    return _batched(fields, "padding_lengths_of_many", "get_padding_lengths").padding_lengths_of_many(fields)


def batch_fields(fields: Sequence[AnyField], padding_lengths: Mapping[str, int]) -> Any:
    """The tensors of fields of one class, merged into one tensor or one structure of tensors."""
    cls = _batched(fields, "as_tensor_of_many", "as_tensor", "batch_tensors")
    return cls.as_tensor_of_many(fields, padding_lengths)


def not_indexed(field: Field[Any], what: str) -> ConfigurationError:
    """The error for a tensor that is requested before `index`; `what` is the subject with its verb."""
    return ConfigurationError(
        f"{type(field).__name__}: {what} not indexed yet; call index(vocab) before asking for the tensor"
    )


def new_counter() -> VocabCounter:
    """An empty counter of items by namespace."""
    return defaultdict(lambda: defaultdict(int))


def merge_counts(counts: Sequence[VocabCounter], counter: VocabCounter) -> bool:
    """Add counts to a counter, unless two of them share a namespace.

    In a shared namespace, counting groups separately would lose the order in which items first appear, which determines
    the ids of items with equal counts.

    Returns:
        Whether they were added.
    """
    namespaces = [namespace for count in counts for namespace in count]
    if len(set(namespaces)) < len(namespaces):
        return False
    for count in counts:
        for namespace, items in count.items():
            add_counts(items, counter[namespace])
    return True


def add_counts(items: Mapping[str, int], totals: dict[str, int]) -> None:
    """Add the count of each item to its total."""
    if not totals:
        totals.update(items)
        return
    for item, number in items.items():
        totals[item] = totals.get(item, 0) + number


def _groups(fields: Sequence[AnyField]) -> list[list[AnyField]]:
    """The fields by class and group key, each group in the order given."""
    by_class: defaultdict[type[AnyField], list[AnyField]] = defaultdict(list)
    for field in fields:
        by_class[type(field)].append(field)
    groups: list[list[AnyField]] = []
    for cls, members in by_class.items():
        keys = [None] if cls.group_key is Field.group_key else [field.group_key() for field in members]
        if len(set(keys)) == 1:
            groups.append(members)
            continue
        by_key: defaultdict[Hashable, list[AnyField]] = defaultdict(list)
        for key, field in zip(keys, members, strict=True):
            by_key[key].append(field)
        groups += by_key.values()
    return groups
