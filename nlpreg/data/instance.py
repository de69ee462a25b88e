"""An instance: one example of a data set, as named fields."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from nlpreg.common import JsonDict
from nlpreg.data.fields.field import Field, NoTokenIndexersError, VocabCounter

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary


class Instance(Mapping[str, Field[Any]]):
    """The fields of one example, by the names of the model's arguments.

    Args:
        fields: the fields by name.
    """

    __slots__ = ("fields", "indexed")

    def __init__(self, fields: MutableMapping[str, Field[Any]]) -> None:
        self.fields = fields
        self.indexed = False

    def add_field(self, field_name: str, field: Field[Any], vocab: "Vocabulary | None" = None) -> None:
        """Add a field; if the instance is indexed and a vocabulary is given, the field is indexed too."""
        self.fields[field_name] = field
        if self.indexed and vocab is not None:
            field.index(vocab)

    def count_vocab_items(self, counter: VocabCounter) -> None:
        """Count the items of every field."""
        for field in self.fields.values():
            field.count_vocab_items(counter)

    def index_fields(self, vocab: "Vocabulary") -> None:
        """Index every field, the first time only."""
        if not self.indexed:
            for field in self.fields.values():
                field.index(vocab)
            self.indexed = True

    def get_padding_lengths(self) -> dict[str, dict[str, int]]:
        """The padding lengths of every field."""
        return {name: field.get_padding_lengths() for name, field in self.fields.items()}

    def as_tensor_dict(self, padding_lengths: dict[str, dict[str, int]] | None = None) -> dict[str, Any]:
        """The tensors of every field, without a batch dimension, padded to the given lengths, if any."""
        lengths = padding_lengths or self.get_padding_lengths()
        return {name: field.as_tensor(lengths[name]) for name, field in self.fields.items()}

    def duplicate(self) -> "Instance":
        """A copy with copied fields, indexed if this instance is."""
        copied = Instance({name: field.duplicate() for name, field in self.fields.items()})
        copied.indexed = self.indexed
        return copied

    def human_readable_dict(self) -> JsonDict:
        """The readable form of every field, as plain values for JSON."""
        return {name: field.human_readable_repr() for name, field in self.fields.items()}

    def __getitem__(self, key: str) -> Field[Any]:
        return self.fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __str__(self) -> str:
        fields = "\n".join(f"\t {name}: {field}" for name, field in self.fields.items())
        return f"Instance with fields:\n {fields}"


@contextlib.contextmanager
def naming_fields(instances: Iterable[Instance]) -> Iterator[None]:
    """Context manager that adds the name of the field to the error about a text without token indexers."""
    try:
        yield
    except NoTokenIndexersError as error:
        named = (item for instance in instances for item in instance.fields.items())
        for name, field in named:
            if any(part is error.field for part in (field, *getattr(field, "field_list", ()))):
                error.args = (f"field {name!r}: {error}",)
                break
        raise
