"""Instances as a few arrays, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlpreg.data.columns import WordColumn, smallest
from nlpreg.data.fields.field import Field
from nlpreg.data.fields.label_field import LabelField
from nlpreg.data.fields.metadata_field import MetadataField
from nlpreg.data.fields.sequence_label_field import SequenceLabelField
from nlpreg.data.fields.text_field import TextField
from nlpreg.data.instance import Instance

Arrays = dict[str, NDArray[Any]]
AnyField = Field[Any]
Columns = dict[str, list[AnyField]]

_SCHEMA = "schema"


class NotPackable(ValueError):
    """Instances that hold more than arrays can say."""


@dataclass(frozen=True)
class _Kind:
    """How fields of one class become arrays, and back.

    Args:
        pack: from fields, and those that come before them by name, to what is the same for all of them, and arrays.
        unpack: the way back.
    """

    pack: Callable[[list[Any], Columns], tuple[dict[str, Any], Arrays]]
    unpack: Callable[[dict[str, Any], Arrays, Columns], Iterable[AnyField]]


def pack_instances(instances: Sequence[Instance]) -> Arrays:
    """The content of instances, which must not be indexed, without their token indexers.

    Raises:
        NotPackable: they are not all of the same few kinds of fields of this package, with texts that are words alone.
    """
    columns = _columns(instances)
    specs, arrays = [], {}
    before: Columns = {}
    for number, (name, fields) in enumerate(columns.items()):
        cls = _only(map(type, fields), f"the classes of the fields {name!r}")
        if cls not in _KINDS:
            raise NotPackable(f"the field {name!r} is a {cls.__name__}")
        spec, values = _KINDS[cls].pack(fields, before)
        before[name] = fields
        specs.append({"name": name, "class": cls.__name__, **spec})
        arrays.update({f"{number}.{key}": array for key, array in values.items()})
    arrays[_SCHEMA] = _json_array({"num_instances": len(instances), "fields": specs})
    return arrays


def unpack_instances(arrays: Mapping[str, NDArray[Any]]) -> list[Instance]:
    """The instances that `pack_instances` was given, as they were before token indexers were set.

    Raises:
        KeyError, ValueError: the arrays are something else.
    """
    schema = _from_json_array(arrays[_SCHEMA])
    kinds = {cls.__name__: kind for cls, kind in _KINDS.items()}
    columns: Columns = {}
    for number, spec in enumerate(schema["fields"]):
        prefix = f"{number}."
        values = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
        columns[spec["name"]] = list(kinds[spec["class"]].unpack(spec, values, columns))
    names = tuple(columns)
    instances = [
        Instance(dict(zip(names, fields, strict=True))) for fields in zip(*columns.values(), strict=True)
    ]
    if len(instances) != schema["num_instances"]:
        raise ValueError(f"expected {schema['num_instances']} instances, got {len(instances)}")
    return instances


def _columns(instances: Sequence[Instance]) -> Columns:
    """The fields of all instances by name."""
    if _only(map(type, instances), "the classes of the instances") is not Instance:
        raise NotPackable("the instances are of a class of their own")
    if any(instance.indexed for instance in instances):
        raise NotPackable("the instances are indexed")
    names = _only((tuple(instance.fields) for instance in instances), "the names of the fields")
    return {name: [instance.fields[name] for instance in instances] for name in names}


def _pack_text(fields: list[TextField], columns: Columns) -> tuple[dict[str, Any], Arrays]:
    words = [field._words for field in fields]
    if any(type(row) is not list for row in words):
        raise NotPackable("a text is made of tokens that may be more than words")
    return {}, _pack_words(words)


def _unpack_text(spec: dict[str, Any], arrays: Arrays, columns: Columns) -> Iterable[AnyField]:
    return map(TextField.from_words, _unpack_words(arrays))


def _pack_sequence_labels(
    fields: list[SequenceLabelField], columns: Columns
) -> tuple[dict[str, Any], Arrays]:
    if any(field._skip_indexing or type(field.labels) is not list for field in fields):
        raise NotPackable("the labels of a sequence are ids")
    for name, texts in columns.items():
        if all(field.sequence_field is text for field, text in zip(fields, texts, strict=True)):
            namespace = _only((field._label_namespace for field in fields), "the namespaces of the labels")
            spec = {"sequence": name, "namespace": namespace}
            return spec, _pack_words([field.labels for field in fields])
    raise NotPackable("labels of a sequence that is no field before them")


def _unpack_sequence_labels(spec: dict[str, Any], arrays: Arrays, columns: Columns) -> Iterable[AnyField]:
    namespace: str = spec["namespace"]
    for labels, sequence in zip(_unpack_words(arrays), columns[spec["sequence"]], strict=True):
        yield SequenceLabelField(labels, sequence, namespace)  # type: ignore[arg-type]  # it was one before


def _pack_labels(fields: list[LabelField], columns: Columns) -> tuple[dict[str, Any], Arrays]:
    if any(field._skip_indexing for field in fields):
        raise NotPackable("labels are ids")
    namespace = _only((field._label_namespace for field in fields), "the namespaces of the labels")
    return {"namespace": namespace}, {"labels": _json_array([field.label for field in fields])}


def _unpack_labels(spec: dict[str, Any], arrays: Arrays, columns: Columns) -> Iterable[AnyField]:
    namespace: str = spec["namespace"]
    return [LabelField(label, namespace) for label in _from_json_array(arrays["labels"])]


def _pack_metadata(fields: list[MetadataField], columns: Columns) -> tuple[dict[str, Any], Arrays]:
    """Each entry is either the very words of a text, or written down."""
    values = [field.metadata for field in fields]
    if any(type(value) is not dict for value in values):
        raise NotPackable("metadata that is no dict")
    keys = _only(map(tuple, values), "the keys of metadata")
    if not all(type(key) is str for key in keys) or not keys:
        raise NotPackable("metadata without keys, or with keys that are no text")
    entries, arrays = [], {}
    for number, key in enumerate(keys):
        of_key = [value[key] for value in values]
        text = _text_with_words(of_key, columns)
        entries.append({"key": key, "text": text})
        if text is None:
            arrays[f"values{number}"] = _json_array(of_key)
    return {"entries": entries}, arrays


def _text_with_words(values: list[Any], columns: Columns) -> str | None:
    """The name of the text field whose words these are: the same lists, and no copies."""
    for name, fields in columns.items():
        if all(
            type(field) is TextField and field._words is value
            for field, value in zip(fields, values, strict=True)
        ):
            return name
    return None


def _unpack_metadata(spec: dict[str, Any], arrays: Arrays, columns: Columns) -> Iterable[AnyField]:
    keys, values = [], []
    for number, entry in enumerate(spec["entries"]):
        keys.append(entry["key"])
        if entry["text"] is None:
            values.append(_from_json_array(arrays[f"values{number}"]))
        else:
            values.append([field._words for field in columns[entry["text"]]])  # type: ignore[attr-defined]
    return [MetadataField(dict(zip(keys, row, strict=True))) for row in zip(*values, strict=True)]


def _pack_words(rows: Sequence[Any]) -> Arrays:
    column = WordColumn(rows)
    return {
        "words": _json_array(column.words),
        "numbers": smallest(column.numbers),
        "lengths": smallest(column.lengths),
    }


def _unpack_words(arrays: Arrays) -> Iterable[list[str]]:
    words = _from_json_array(arrays["words"])
    flat = list(map(words.__getitem__, arrays["numbers"].tolist()))
    bounds = [0, *np.cumsum(arrays["lengths"], dtype=np.int64).tolist()]
    if bounds[-1] != len(flat):
        raise ValueError(f"expected {bounds[-1]} words, got {len(flat)}")
    return [flat[start:end] for start, end in pairwise(bounds)]


def _json_array(value: Any) -> NDArray[np.uint8]:
    """Plain values as bytes of JSON.

    Raises:
        NotPackable: they would not come back as they are.
    """
    try:
        text = json.dumps(value)
    except (TypeError, ValueError) as error:
        raise NotPackable(f"a value that JSON does not have ({error})") from error
    if not _is_same(value, json.loads(text)):
        raise NotPackable("a value that JSON does not keep as it is")
    return np.frombuffer(text.encode("ascii"), np.uint8)


def _from_json_array(array: NDArray[Any]) -> Any:
    return json.loads(array.tobytes())


def _is_same(value: Any, other: Any) -> bool:
    """Whether two plain values are equal, with the same types all through."""
    if type(value) is not type(other):
        return False
    if isinstance(value, list):
        if set(map(type, value)) == {str}:
            return bool(value == other)
        return len(value) == len(other) and all(map(_is_same, value, other))
    if isinstance(value, dict):
        return list(value) == list(other) and all(map(_is_same, value.values(), other.values()))
    return bool(value == other)


def _only(values: Iterable[Any], what: str) -> Any:
    """The one value that all of these are."""
    found = set(values)
    if len(found) != 1:
        raise NotPackable(f"{what} differ")
    return found.pop()


_KINDS: dict[type[AnyField], _Kind] = {
    TextField: _Kind(_pack_text, _unpack_text),
    SequenceLabelField: _Kind(_pack_sequence_labels, _unpack_sequence_labels),
    LabelField: _Kind(_pack_labels, _unpack_labels),
    MetadataField: _Kind(_pack_metadata, _unpack_metadata),
}
