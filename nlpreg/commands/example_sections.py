"""Sections of a config made up from constructors: every required argument with a value that could stand there."""

from __future__ import annotations

import enum
import typing
from typing import Any

from nlpreg.common.annotation_kinds import (
    LIST_TYPES,
    MAPPING_TYPES,
    SET_TYPES,
    is_lazy_type,
    is_tensor,
    unwrapped,
)
from nlpreg.common.hints import union_members
from nlpreg.common.introspection import Argument, describe, describe_class
from nlpreg.common.registry import REGISTRY
from nlpreg.common.resolve import EXTRAS_OF, PASSED_EXTRAS

__all__ = ["WIDTH", "example_section", "example_value"]

WIDTH = 100
"""Every width, so that all of them agree."""

_DEEPEST = 8

_PREFERRED = {
    "Activation": "relu",
    "Attention": "dot_product",
    "BatchSampler": "bucket",
    "DatasetReader": "sequence_tagging",
    "Head": "classifier",
    "Initializer": "xavier_uniform",
    "LanguageModelHead": "linear",
    "LearningRateScheduler": "linear_with_warmup",
    "MatrixAttention": "dot_product",
    "Model": "simple_tagger",
    "Regularizer": "l2",
    "Seq2SeqEncoder": "lstm",
    "Seq2VecEncoder": "bag_of_embeddings",
    "SpanExtractor": "endpoint",
    "TextFieldEmbedder": "basic",
    "TokenEmbedder": "embedding",
    "TokenIndexer": "single_id",
    "Tokenizer": "whitespace",
}
"""The member of each family that needs nothing else to be installed and that most configs use."""

_NAMELESS = ("DataLoader", "TextFieldEmbedder", "Trainer", "Vocabulary")
"""Families whose default implementation hardly any config names."""

_SECTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("DataLoader", "multiprocess"): {"batch_size": 32},
    ("DataLoader", "text_lines"): {"batch_size": 32},
    ("Model", "bcn"): {
        "encoder": {"type": "lstm", "input_size": WIDTH, "hidden_size": WIDTH},
        "integrator": {"type": "lstm", "input_size": 3 * WIDTH, "hidden_size": WIDTH},
        "output_layer": {
            "input_dim": 4 * WIDTH,
            "num_layers": 2,
            "hidden_dims": [WIDTH, 2],
            "activations": ["relu", "linear"],
        },
    },
    ("Model", "bidirectional-language-model"): {
        "contextualizer": {
            "type": "lstm",
            "input_size": WIDTH,
            "hidden_size": WIDTH,
            "bidirectional": True,
        }
    },
    ("Model", "masked_language_model"): {"target_namespace": "tokens"},
    ("Model", "multitask"): {
        "backbone": {
            "type": "text",
            "text_field_embedder": {
                "token_embedders": {"tokens": {"type": "embedding", "embedding_dim": WIDTH}}
            },
            "encoder": {"type": "lstm", "input_size": WIDTH, "hidden_size": WIDTH},
        },
        "heads": {
            "topic": {
                "type": "classifier",
                "seq2vec_encoder": {"type": "bag_of_embeddings", "embedding_dim": WIDTH},
            }
        },
        "arg_name_mapping": {"backbone": {"tokens": "text"}},
    },
    ("Model", "next_token_lm"): {"target_namespace": "tokens"},
    ("Model", "from_archive"): {"archive_file": "out/model.tar.gz"},
}
"""Arguments of single classes for which the general rules would give values that do not go together."""

_NUMBERS = {
    "batch_size": 32,
    "num_layers": 1,
    "num_heads": 4,
    "num_attention_heads": 4,
    "num_highway": 1,
    "ngram_size": 2,
}
_STRINGS = {
    "model_name": "bert-base-uncased",
    "transformer_model": "bert-base-uncased",
    "pretrained_model": "bert-base-uncased",
    "vocab_namespace": "tokens",
    "namespace": "tokens",
}


def example_section(base: Any, name: str, depth: int = 0) -> dict[str, Any]:
    """A section that builds the registered class of that name.

    Args:
        base: the base of the registry; None if `name` is the full name of a class.
        name: the registered name.
        depth: how many sections this one lies inside.
    """
    special = _SECTIONS.get((getattr(base, "__name__", ""), name), {})
    section: dict[str, Any] = {"type": name}
    for argument in describe_class(base, name).arguments:
        if argument.name in special:
            section[argument.name] = special[argument.name]
        elif _is_needed(argument, EXTRAS_OF.get(getattr(base, "__name__", ""), PASSED_EXTRAS)):
            section[argument.name] = example_value(argument.annotation, argument.name, depth + 1)
    return section


def example_value(annotation: Any, name: str, depth: int = 0) -> Any:
    """A value that could stand for an argument.

    Args:
        annotation: its type.
        name: its name.
        depth: how many sections it lies inside.
    """
    members = [member for member in union_members(unwrapped(annotation)) if not is_tensor(member)]
    annotation = unwrapped(members[0]) if members else Any
    arguments = typing.get_args(annotation)
    if is_lazy_type(annotation) and arguments:
        return example_value(arguments[0], name, depth)
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return arguments[0]
    if arguments and origin in MAPPING_TYPES:
        return {"tokens": example_value(arguments[-1], name, depth)}
    if arguments and (origin in LIST_TYPES or origin in SET_TYPES):
        return [example_value(arguments[0], name, depth)]
    if arguments and origin is tuple:
        return [example_value(argument, name, depth) for argument in arguments if argument is not ...]
    if isinstance(annotation, type) and annotation is not Any:
        return _value_of_class(annotation, name, depth)
    return "data/train.txt" if name == "train_data_path" else None


def _value_of_class(cls: type, name: str, depth: int) -> Any:
    if issubclass(cls, enum.Enum):
        return next(iter(cls)).name
    if cls is bool:
        return False
    if cls is int:
        return _NUMBERS.get(name, 1 if name.startswith("num_") and name != "num_filters" else WIDTH)
    if cls is float:
        return 0.001 if name in ("lr", "alpha") else 0.1
    if cls is str:
        return _STRINGS.get(name, "...")
    if depth > _DEEPEST or not hasattr(cls, "from_params"):
        return None
    if not REGISTRY.get(cls):
        needed = [argument for argument in describe(cls).arguments if _is_needed(argument)]
        return {
            argument.name: example_value(argument.annotation, argument.name, depth + 1) for argument in needed
        }
    chosen = _chosen_name(cls)
    section = example_section(cls, chosen, depth)
    if cls.__name__ in _NAMELESS and chosen == getattr(cls, "default_implementation", None):
        del section["type"]
    return chosen if set(section) == {"type"} else section


def _is_needed(argument: Argument, extras: frozenset[str] = PASSED_EXTRAS) -> bool:
    return argument.is_required and argument.name not in extras


def _chosen_name(base: Any) -> str:
    """The preferred member of a family, else the default one, else the first that needs least."""
    preferred = _PREFERRED.get(base.__name__)
    if preferred in REGISTRY[base]:
        return str(preferred)
    if base.default_implementation is not None:
        return str(base.default_implementation)

    def number_needed(name: str) -> int:
        return sum(_is_needed(argument) for argument in describe_class(base, name).arguments)

    return min(REGISTRY[base], key=number_needed)
