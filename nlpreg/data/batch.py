"""A batch: instances that become tensors together."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.runtime.memory import reduced_garbage_collection
from nlpreg.common.util import ensure_list
from nlpreg.data.fields.field import Field, batch_fields, index_fields, padding_lengths_of_fields
from nlpreg.data.instance import Instance, naming_fields

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary

logger = logging.getLogger(__name__)


class Batch(Iterable[Instance]):
    """Instances with the same fields, which become tensors together.

    Args:
        instances: the instances; they are not changed.

    Raises:
        ConfigurationError: the fields of an instance differ from those of the others in name or class.
    """

    __slots__ = ("_columns", "instances")

    def __init__(self, instances: Iterable[Instance]) -> None:
        self.instances: list[Instance] = ensure_list(instances)
        # the fields of each name, one for each instance
        self._columns: dict[str, list[Field[Any]]] = {}
        self._check_types()

    def _check_types(self) -> None:
        """Collect the fields by name, and check that all fields of a name have the same class."""
        all_fields = [instance.fields for instance in self.instances]
        if not all_fields:
            return
        names = all_fields[0].keys()
        for instance in self.instances:
            if instance.fields.keys() != names:
                fewer = min(self.instances[0], instance, key=len)
                lacking = sorted((names | instance.fields.keys()) - fewer.fields.keys())
                example = shorten(str(fewer.human_readable_dict()), 120, placeholder=" ...")
                raise ConfigurationError(
                    f"a batch needs the same fields in every instance, got {sorted(names)} in one and "
                    f"{sorted(instance.fields)} in another: {', '.join(lacking)} is missing in {example}"
                )
        for name in names:
            # column-wise, since whole columns become tensors
            self._columns[name] = column = [fields[name] for fields in all_fields]
            if len(set(map(type, column))) > 1:
                found = sorted({type(field).__name__ for field in column})
                raise ConfigurationError(
                    f"a batch needs a field of one class under each name, got {found} under {name!r}"
                )

    def get_padding_lengths(self) -> dict[str, dict[str, int]]:
        """The maximum padding lengths of each field."""
        with naming_fields(self.instances):
            return {name: padding_lengths_of_fields(column) for name, column in self._columns.items()}

    def as_tensor_dict(
        self,
        padding_lengths: Mapping[str, Mapping[str, int]] | None = None,
        verbose: bool = False,
    ) -> dict[str, Any]:
        """The tensors of every field, padded to the longest instance; the instances must be indexed.

        Args:
            padding_lengths: by field and key, lengths to pad or truncate to; by default the greatest.
            verbose: whether to log the lengths.
        """
        lengths = self.get_padding_lengths()
        for name, given in (padding_lengths or {}).items():
            if name in lengths:
                # given lengths may also truncate
                lengths[name].update(given)
        if verbose:
            logger.info("batch of %d, padded to %s", len(self.instances), lengths)
        return {name: batch_fields(column, lengths[name]) for name, column in self._columns.items()}

    def index_instances(self, vocab: "Vocabulary") -> None:
        """Index the instances, except those that are already indexed."""
        index_instances(self.instances, vocab)

    def print_statistics(self) -> None:
        """Print mean, standard deviation, maximum and minimum of the padding lengths.

        Raises:
            ConfigurationError: the instances are not indexed.
        """
        lengths: defaultdict[str, list[int]] = defaultdict(list)
        for instance in self.instances:
            if not instance.indexed:
                raise ConfigurationError(
                    "Batch.print_statistics: index the instances first, by index_instances(vocab)"
                )
            for name, of_field in instance.get_padding_lengths().items():
                for key, length in of_field.items():
                    lengths[f"{name}.{key}"].append(length)
        print(f"\n\n----Dataset Statistics----\n\n{len(self.instances)} instances")
        for name, values in lengths.items():
            print(
                f"Statistics for {name}:\n\tLengths: Mean: {np.mean(values)}, Standard Dev: {np.std(values)}, "
                f"Max: {np.max(values)}, Min: {np.min(values)}"
            )

    def __iter__(self) -> Iterator[Instance]:
        return iter(self.instances)

    def __len__(self) -> int:
        return len(self.instances)


def index_instances(instances: Sequence[Instance], vocab: "Vocabulary") -> None:
    """Index the instances that are not indexed yet; the same as `index_fields` of each, but faster."""
    fields: list[Field[Any]] = []
    together: list[Instance] = []
    for instance in instances:
        if type(instance).index_fields is not Instance.index_fields:
            instance.index_fields(vocab)
        # an instance that is part of two data sets is indexed once
        elif not instance.indexed:
            together.append(instance)
            fields.extend(instance.fields.values())
    with reduced_garbage_collection():
        index_fields(fields, vocab)
    for instance in together:
        instance.indexed = True
