"""Arguments that can never be right, over all registered classes: dropout probabilities above 1, sizes below 1."""

import inspect
from typing import Any

import pytest

from nlpreg.common.config.hints import signature_of
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.plugins import import_builtin_parts

SIZES = (
    "num_layers",
    "num_heads",
    "num_attention_heads",
    "num_filters",
    "ngram_filter_sizes",
    "hidden_size",
    "hidden_dim",
    "hidden_dims",
    "feedforward_hidden_dim",
    "input_size",
    "embedding_dim",
    "cell_size",
)
PARTS_OF_MODELS = (
    "Seq2SeqEncoder",
    "Seq2VecEncoder",
    "TokenEmbedder",
    "TextFieldEmbedder",
    "SpanExtractor",
    "Attention",
    "MatrixAttention",
    "LanguageModelHead",
    "Model",
    "Head",
    "Backbone",
)


def arguments() -> list[tuple[str, Any, str, float]]:
    """The names of registered types, their classes, and arguments with a value that each must refuse."""
    import_builtin_parts()
    found = []
    for base, names in REGISTRY.items():
        seen = set()
        for name, (cls, constructor) in names.items():
            if (cls, constructor) in seen or not str(getattr(cls, "__module__", "")).startswith("nlpreg."):
                continue
            seen.add((cls, constructor))
            make = getattr(cls, constructor) if constructor else None
            for argument, parameter in signature_of(cls, make).parameters.items():
                annotation = str(parameter.annotation)
                if "dropout" in argument and "float" in annotation:
                    found += [(name, cls, argument, value) for value in (1.5, -0.1)]
                elif argument in SIZES and "int" in annotation and base.__name__ in PARTS_OF_MODELS:
                    found.append((name, cls, argument, 0))
    return found


CASES = arguments()


def test_there_are_many() -> None:
    assert len(CASES) > 80


@pytest.mark.parametrize(
    ("name", "cls", "argument", "value"), CASES, ids=[f"{case[0]}.{case[2]}={case[3]}" for case in CASES]
)
def test_it_is_refused(name: str, cls: Any, argument: str, value: float) -> None:
    check = getattr(cls, "check_arguments", None)
    assert check is not None, f"{name}: nothing checks {argument}"
    values = dict.fromkeys(inspect.signature(check).parameters)
    assert argument in values, f"{name}: nothing checks {argument}"
    with pytest.raises(ValueError, match=argument):
        check(**{**values, argument: value})
