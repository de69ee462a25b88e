"""`to_params` of every registered class that keeps what it was given: it holds all arguments, and builds the same object."""

import inspect
import types
import typing
from pathlib import Path
from typing import Any

import pytest

import nlpreg.evaluation  # noqa: F401
from nlpreg.common.config.hints import signature_of
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.params import Params
from nlpreg.common.registrable import Registrable
from nlpreg.data.tokenizers.subword_tokenizer import train_subwords
from nlpreg.nn.initializers import Initializer

PASSED = {"serialization_dir", "vocab"}
"""Arguments that no config holds."""

WITHOUT_EFFECT = {
    ("conll2000", "coding_scheme"),
    ("conll2003", "coding_scheme"),
    ("bucket", "max_instances_in_memory"),
}
"""Old arguments that are accepted and kept nowhere."""

CHARACTERS = {
    "type": "character",
    "byte_encoding": None,
    "lowercase_characters": True,
    "start_tokens": ["<"],
    "end_tokens": [7],
}
INDEXER = {
    "type": "characters",
    "namespace": "c",
    "character_tokenizer": CHARACTERS,
    "start_tokens": ["<"],
    "end_tokens": [">"],
    "min_padding_length": 3,
    "token_min_padding_length": 2,
}
BABI = {
    "type": "babi",
    "keep_sentences": True,
    "token_indexers": {"x": INDEXER},
    "skip_bad_lines": True,
    "max_instances": 4,
}

SECTIONS: dict[str, Any] = {
    "tokenizer": CHARACTERS,
    "character_tokenizer": CHARACTERS,
    "token_indexers": {"x": INDEXER},
    "batch_serializer": {"type": "simple"},
    "base_reader": BABI,
    "inner": BABI,
    "readers": {"a": BABI},
    "byte_encoding": "utf-8",
    "tokens_to_add": {"<x>": 261},
    "padding_noise": 0.25,
    "feature_labels": ["modified_pos"],
    "further_columns": ["xpos"],
    "tag_label": "modified_pos",
    "convert_to_coding_scheme": "BIOUL",
    "scheme": "all_at_once",
    "granularity": "2-class",
    "tokenizer_kwargs": {"use_fast": True},
    "verification_tokens": ["a", "b"],
    "add_special_tokens": False,
    "feature_name": "pos_",
    "dataset": "json",
    "texts": {"tokens": "text"},
    "labels": {"label": "label"},
    "config_name": "x",
    "segment_sentences": False,
    "load_arguments": {"data_files": "x"},
}
"""Values of arguments for which not any value will do."""

PER_CLASS: dict[tuple[str, str], Any] = {
    ("conll2000", "feature_labels"): ["pos"],
    ("conll2000", "tag_label"): "pos",
    ("conll2003", "feature_labels"): ["pos"],
    ("conll2003", "tag_label"): "pos",
    ("bucket", "shuffle"): True,
    ("fold", "fold"): 1,
    ("ontonotes_ner", "coding_scheme"): "BIOUL",
}


def value_for(name: str, parameter: inspect.Parameter) -> Any:
    """A value that the annotation allows and that is not the default."""
    if name in SECTIONS:
        return SECTIONS[name]
    annotation = parameter.annotation
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        annotation = next(member for member in typing.get_args(annotation) if member is not type(None))
    if annotation is bool:
        return not parameter.default
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return typing.get_args(annotation)[-1]
    if origin is list:
        return ["y"]
    if origin is dict:
        return {"y": "z"}
    if origin is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return {int: 12, float: 0.25, str: "q"}[annotation]


REGISTERED = [
    pytest.param(base, name, cls, id=f"{base.__name__}-{name}")
    for base, names in list(REGISTRY.items())
    for name, (cls, _) in names.items()
    if getattr(cls, "_to_params", Registrable._to_params) is not Registrable._to_params
    and cls.__module__.startswith("nlpreg.")
    and not issubclass(cls, Initializer)
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("base", "name", "cls"), REGISTERED)
def test_to_params_holds_all_arguments(
    base: Any, name: str, cls: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    values: dict[str, Any] = {
        key: PER_CLASS.get((name, key), value_for(key, parameter))
        for key, parameter in signature_of(cls).parameters.items()
        if key not in PASSED and (name, key) not in WITHOUT_EFFECT
    }
    if "spacy" in name and base.__name__ != "TokenIndexer":
        pytest.importorskip("en_core_web_sm")
        values["language"] = "en_core_web_sm"
    if "model_name" in values:
        pytest.importorskip("transformers")
        values["model_name"] = str(request.getfixturevalue("tiny_bert"))
    if "model_path" in values:
        pytest.importorskip("tokenizers")
        values["model_path"] = str(tmp_path / "tokenizer.json")
        train_subwords(["ab ab abc"], 20).save(values["model_path"])
    built = base.from_params(Params({"type": name, **values}))
    section = built.to_params().as_dict(quiet=True)
    names = [other for other, (known, _) in REGISTRY[base].items() if known is cls]
    assert section.pop("type") in names
    assert section == values
    assert base.from_params(built.to_params()).to_params().as_dict(quiet=True) == built.to_params().as_dict(
        quiet=True
    )


def test_the_families_that_plugins_write_for_are_among_them() -> None:
    families = {param.values[0].__name__ for param in REGISTERED}
    assert families >= {
        "Tokenizer",
        "TokenIndexer",
        "DatasetReader",
        "SentenceSplitter",
        "Evaluator",
        "BatchSampler",
    }
