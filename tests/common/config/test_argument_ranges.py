"""Arguments that can never be right, over all registered classes: dropout probabilities above 1, sizes below 1."""

import inspect
from typing import Annotated, Any

import pytest

from nlpreg.common.checks import PositiveInt, Probability, Range
from nlpreg.common.config.hints import signature_of
from nlpreg.common.config.kinds import kind_of
from nlpreg.common.config.problems import problems_error
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.config.resolve import Resolver
from nlpreg.common.config.schema import SchemaWriter
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


def arguments() -> list[tuple[str, Any, inspect.Parameter, Any]]:
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
                    found += [(name, cls, parameter, value) for value in (1.5, -0.1)]
                elif argument in SIZES and "int" in annotation and base.__name__ in PARTS_OF_MODELS:
                    found.append(
                        (name, cls, parameter, [0] if annotation.startswith(("tuple", "list")) else 0)
                    )
    return found


CASES = arguments()


def test_there_are_many() -> None:
    assert len(CASES) > 80


@pytest.mark.parametrize(
    ("name", "cls", "parameter", "value"),
    CASES,
    ids=[f"{case[0]}.{case[2].name}={case[3]}" for case in CASES],
)
def test_it_is_refused(name: str, cls: Any, parameter: inspect.Parameter, value: Any) -> None:
    resolver = Resolver()
    resolver.argument(parameter, value, parameter.name, cls)
    if resolver.problems:
        with pytest.raises(ValueError, match=rf"{parameter.name}(\.0)?: expected"):
            raise problems_error(resolver.problems)
        return
    # the class compares arguments with each other, and has this rule there
    check = getattr(cls, "check_arguments", None)
    assert check is not None, f"{name}: nothing checks {parameter.name}"
    values = dict.fromkeys(inspect.signature(check).parameters)
    assert parameter.name in values, f"{name}: nothing checks {parameter.name}"
    with pytest.raises(ValueError, match=parameter.name):
        check(**{**values, parameter.name: value})


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (PositiveInt, 0, "size: expected 1 or more, got 0"),
        (PositiveInt | None, -1, "size: expected 1 or more, got -1"),
        (PositiveInt | list[PositiveInt], 0, "size: expected 1 or more, got 0"),
        (PositiveInt | list[PositiveInt], [3, 0], "size.1: expected 1 or more, got 0"),
        (dict[str, Probability], {"a": 1.5}, "size.a: expected a number from 0 to 1, got 1.5"),
        (Probability, float("nan"), "size: expected a number from 0 to 1, got NaN"),
        (Annotated[int, Range(2)], 1, "size: expected 2 or more, got 1"),
    ],
)
def test_a_range_is_checked_wherever_the_number_is(annotation: Any, value: Any, message: str) -> None:
    resolver = Resolver()
    resolver.resolve(kind_of(annotation), value, "size")
    assert [str(problem) for problem in resolver.problems] == [message]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (PositiveInt, 1),
        (PositiveInt | None, None),
        (PositiveInt | list[PositiveInt], [1, 2]),
        (Probability, 0),
        (Probability, 1.0),
    ],
)
def test_a_number_within_its_range_is_accepted(annotation: Any, value: Any) -> None:
    resolver = Resolver()
    resolver.resolve(kind_of(annotation), value, "size")
    assert not resolver.problems


def test_editors_know_the_ranges() -> None:
    schema = SchemaWriter()
    assert schema.annotation(PositiveInt) == {"type": "integer", "minimum": 1}
    assert schema.annotation(Probability) == {"type": "number", "minimum": 0, "maximum": 1}
