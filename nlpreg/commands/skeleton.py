"""A first config for a model: required parts filled in, what else may be set beside them as comments."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any, NamedTuple

from nlpreg.commands.example_sections import example_section
from nlpreg.common.introspection import Argument, argument_type, describe_class
from nlpreg.common.jsonnet import jsonnet_key, jsonnet_text
from nlpreg.common.nodes import is_json
from nlpreg.common.resolve import EXTRAS_OF

__all__ = ["skeleton_config"]

_INDEXERS = {"tokens": {"type": "single_id"}}


_LOADER = {"batch_sampler": {"type": "bucket", "batch_size": 32}}


class _Data(NamedTuple):
    """What goes with a model whose `forward` takes a field of some name.

    Args:
        field: the name.
        reader: section of a reader whose instances have it.
        path: of the data; `{part}` stands for `train`, `validation` or `test`.
        loader: section of the data loader.
    """

    field: str
    reader: dict[str, Any]
    path: Any = "data/{part}.txt"
    loader: dict[str, Any] = _LOADER


def _text_reader(name: str) -> dict[str, Any]:
    return {"type": name, "tokenizer": "whitespace", "token_indexers": _INDEXERS}


_CLASSIFICATION = _text_reader("text_classification_json")
_LANGUAGE_MODELING = {
    "type": "simple_language_modeling",
    "tokenizer": "just_spaces",
    "token_indexers": _INDEXERS,
    "max_sequence_length": 100,
    "start_tokens": ["<S>"],
    "end_tokens": ["</S>"],
}
_TAGGING = {"type": "sequence_tagging", "token_indexers": _INDEXERS}

_DATA = (
    _Data("source", _LANGUAGE_MODELING),
    _Data("mask_positions", _text_reader("masked_language_modeling")),
    _Data("target_ids", _text_reader("next_token_lm")),
    _Data("tags", _TAGGING),
    _Data("label", _CLASSIFICATION, "data/{part}.jsonl"),
)
_OTHER_DATA = _Data("", _TAGGING)
_TASKS = _Data(
    "",
    {"type": "multitask", "readers": {"topic": _CLASSIFICATION}},
    {"topic": "data/topic_{part}.jsonl"},
    {"type": "multitask", "scheduler": {"batch_size": 32}},
)


def skeleton_config(model: str, reader: str | None = None) -> str:
    """The text of a config for a model.

    Args:
        model: its registered name.
        reader: registered name of the dataset reader; by default one whose instances have the fields that the
            model's `forward` takes.

    Raises:
        ConfigurationError: there is no such model or reader.
    """
    from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
    from nlpreg.models.model import Model

    cls, _ = Model.resolve_class_name(model)
    data = _TASKS if model == "multitask" else _data_for(cls)
    if reader is not None:
        data = data._replace(reader=_reader_section(DatasetReader, reader))
    trainer = {
        "num_epochs": 20,
        "patience": 3,
        "validation_metric": "-loss",
        "optimizer": {"type": "adam", "lr": 0.001},
        "grad_norm": 5.0,
    }
    parts = [
        f"// Train it with: nlpreg train {model}.jsonnet -s out",
        "// Keys that are commented out may be set as well; they show their defaults.",
        "// `nlpreg list` names all parts, `nlpreg describe seq2seq_encoder:lstm` says what one of them takes.",
        "{",
        *_comment(_fields(cls), 2),
        f"  dataset_reader: {jsonnet_text(data.reader, 2)},",
        f"  train_data_path: {_path(data, 'train')},",
        f"  validation_data_path: {_path(data, 'validation')},",
        f"  // test_data_path: {_path(data, 'test')},",
        "  // evaluate_on_test: true,",
        "",
        *_model_lines(Model, model),
        "",
        f"  data_loader: {jsonnet_text(data.loader, 2)},",
        f"  trainer: {jsonnet_text(trainer, 2, 60)},",
        "}",
    ]
    return "\n".join(parts) + "\n"


def _data_for(cls: Any) -> _Data:
    fields = _parameters_of_forward(cls)
    return next((data for data in _DATA if data.field in fields), _OTHER_DATA)


def _path(data: _Data, part: str) -> str:
    if isinstance(data.path, dict):
        return jsonnet_text({task: path.format(part=part) for task, path in data.path.items()})
    return jsonnet_text(data.path.format(part=part))


def _parameters_of_forward(cls: Any) -> list[str]:
    parameters = inspect.signature(cls.forward).parameters.values() if hasattr(cls, "forward") else []
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [parameter.name for parameter in parameters if parameter.kind not in variadic][1:]


def _fields(cls: Any) -> str:
    """What the instances must have for the model."""
    names = _parameters_of_forward(cls)
    if not names:
        return "Reads the data."
    return f"Reads the data. {cls.__name__} takes the fields: {', '.join(names)}."


def _reader_section(base: Any, reader: str) -> dict[str, Any]:
    section = example_section(base, reader)
    names = {argument.name for argument in describe_class(base, reader).arguments}
    if "tokenizer" in names:
        section.setdefault("tokenizer", "whitespace")
    if "token_indexers" in names:
        section.setdefault("token_indexers", _INDEXERS)
    return section


def _model_lines(base: Any, model: str) -> list[str]:
    section = example_section(base, model)
    arguments = describe_class(base, model).arguments
    lines = ["  model: {", f"    type: {jsonnet_text(model)},"]
    for argument in arguments:
        if argument.name in section:
            lines += _comment(argument.doc, 4)
            lines.append(f"    {jsonnet_key(argument.name)}: {jsonnet_text(section[argument.name], 4)},")
    optional = [a for a in arguments if a.name not in section and a.name not in EXTRAS_OF["Model"]]
    if optional:
        lines.append("")
    for argument in optional:
        lines += _comment(_described(argument), 4)
        lines.append(f"    // {jsonnet_key(argument.name)}: {_default(argument)},")
    return [*lines, "  },"]


def _described(argument: Argument) -> str:
    """The doc of an argument, with its type where the default says nothing of it."""
    kind = argument_type(argument)
    return f"{argument.doc} ({kind})" if argument.default is None and argument.doc else argument.doc or kind


def _default(argument: Argument) -> str:
    return jsonnet_text(argument.default) if is_json(argument.default) else "{ ... }"


def _comment(text: str, indent: int) -> list[str]:
    prefix = " " * indent + "// "
    return textwrap.wrap(text, 110, initial_indent=prefix, subsequent_indent=prefix, break_long_words=False)
