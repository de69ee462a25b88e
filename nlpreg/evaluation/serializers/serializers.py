"""The base class of serializers, and the default one, for JSON lines."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from nlpreg.common import Registrable
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.sanitize import json_text, sanitize
from nlpreg.data.data_loaders import DataLoader
from nlpreg.nn.util import get_text_field_mask

_WORDS = ("words", "tokens")
_ZEROS_COUNT = ("offsets", "type_ids")
"""Tensors of transformers' indexers in which 0 is a value: the first piece, the first segment."""


class Serializer(Registrable):
    """Formats a batch and the model's outputs for it as one or more lines of text."""

    default_implementation = "simple"
    _to_params = Registrable.all_arguments

    def __call__(
        self,
        batch: dict[str, Any],
        output_dict: dict[str, Any],
        data_loader: DataLoader,
        output_postprocess_function: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> str:
        """The line, without its end.

        Args:
            batch: the fields of the batch.
            output_dict: the model's outputs.
            data_loader: the data loader of the batch.
            output_postprocess_function: makes the outputs readable.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__")


@Serializer.register("simple")
class SimpleSerializer(Serializer):
    """One line with a JSON object for each instance: its fields without padding, and the outputs by name.

    Words and labels come first, numbers last. An output replaces a field of the same name. Outputs for the whole batch, such
    as its loss, are omitted. A batch without a field with a batch dimension is one line.
    """

    def __call__(
        self,
        batch: dict[str, Any],
        output_dict: dict[str, Any],
        data_loader: DataLoader,
        output_postprocess_function: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> str:
        """The lines, without the line end of the last one.

        Raises:
            ValueError: there is no batch, or no output.
        """
        if batch is None or output_dict is None:
            missing = "batch" if batch is None else "output_dict"
            raise ValueError(f"{missing}: expected a dict to write down, got None")
        if output_postprocess_function is not None:
            output_dict = output_postprocess_function(output_dict)
        size = _batch_size(batch)
        if size is None:
            return json_text({**sanitize(batch), **sanitize(output_dict)})
        lines = _fields_of_instances(batch, size)
        for name, values in output_dict.items():
            for row, value in _rows_of(name, values, batch, size):
                lines[row][name] = sanitize(value)
        return "\n".join(json_text(dict(sorted(line.items(), key=_order))) for line in lines)


def _order(item: tuple[str, Any]) -> int:
    """Sorts the entries of a line: the words, then labels and other texts, then all else."""
    name, value = item
    values = value if isinstance(value, list) else [value]
    if name in _WORDS and all(isinstance(one, str) for one in values):
        return 0
    return 1 if all(isinstance(one, str) for one in values) else 2


def _batch_size(batch: Mapping[str, Any]) -> int | None:
    """The number of instances; None if no field has a batch dimension."""
    for value in batch.values():
        if isinstance(value, Mapping):
            size = _batch_size(value)
            if size is not None:
                return size
        elif isinstance(value, torch.Tensor):
            if value.dim():
                return value.size(0)
        elif isinstance(value, (list, tuple)):
            return len(value)
    return None


def _fields_of_instances(batch: Mapping[str, Any], size: int) -> list[dict[str, Any]]:
    """The fields of each instance, truncated to the length of its text."""
    lengths: dict[int, list[int]] = {}  # padded length -> length of each text
    for value in batch.values():
        if isinstance(value, Mapping):
            with contextlib.suppress(ValueError, ConfigurationError):  # not a text field of one dimension
                mask = get_text_field_mask(value)  # (B, T)
                if mask.dim() == 2:
                    positions = torch.arange(1, mask.size(1) + 1, device=mask.device)
                    ends = (positions * mask).amax(1).tolist() if mask.size(1) else [0] * size
                    lengths.setdefault(mask.size(1), ends)

    def row_of(value: Any, row: int, has_zeros_as_padding: bool = False) -> Any:
        if isinstance(value, Mapping):
            return {name: row_of(inner, row, name not in _ZEROS_COUNT) for name, inner in value.items()}
        if not isinstance(value, (torch.Tensor, list, tuple)) or (
            isinstance(value, torch.Tensor) and not value.dim()
        ):
            return sanitize(value)
        own = value[row]
        if isinstance(value, torch.Tensor) and value.dim() > 1 and value.size(1) in lengths:
            own = own[: lengths[value.size(1)][row]]
        rows = sanitize(own)
        is_padded = has_zeros_as_padding and isinstance(value, torch.Tensor) and value.dim() > 2
        if is_padded and not value.is_floating_point():
            return [_without_padding(ids) for ids in rows]
        return rows

    return [{name: row_of(value, row) for name, value in batch.items()} for row in range(size)]


def _without_padding(ids: list[Any]) -> list[Any]:
    """The ids of the parts of a word, such as its characters, without the zeros after them."""
    end = len(ids)
    while end and ids[end - 1] == 0:
        end -= 1
    return ids[:end]


def _rows_of(name: str, values: Any, batch: Mapping[str, Any], size: int) -> Iterator[tuple[int, Any]]:
    """(number of the instance, its row) for an output with a row for each instance, or for each instance of a head's task."""
    if (isinstance(values, torch.Tensor) and not values.dim()) or not hasattr(values, "__len__"):
        return
    rows = list(range(size))
    tasks = batch.get("task")
    if isinstance(tasks, list) and len(values) != size:
        rows = [row for row, task in enumerate(tasks) if name.startswith(f"{task}_")]
    if len(values) == len(rows) and not isinstance(values, (str, Mapping)):
        yield from zip(rows, values, strict=True)
