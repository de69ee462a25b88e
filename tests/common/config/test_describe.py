from typing import Any, Optional

import pytest

from nlpreg.common import Registrable
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.describe import (
    argument_type,
    describe_class,
    find_base,
    find_class,
    parse_docstring,
    registries,
    snake_case,
    summary,
)


@pytest.fixture
def toys() -> Any:
    class ToyBox(Registrable):
        """Holds toys.

        Args:
            size: how many fit in.
        """

        def __init__(self, size: int = 3) -> None:
            pass

    class SecondBox(Registrable):
        pass

    @ToyBox.register("chest")
    @ToyBox.register("found_chest", constructor="find")
    class Chest(ToyBox):
        """A chest,
        made of wood.

        It is old.

        Args:
            lid: what closes it.
        """

        def __init__(self, lid: str, key: Optional[str] = None, **kwargs: Any) -> None:
            super().__init__(**kwargs)

        @classmethod
        def find(cls, place: str) -> "Chest":
            """Finds one.

            Args:
                place: where to look.
            """
            return cls(place)

    SecondBox.register("chest")(Chest)
    SecondBox.register("only_here")(Chest)
    return ToyBox


def test_arguments_come_from_all_constructors_that_take_part(toys: Any) -> None:
    description = describe_class(toys, "chest")
    assert description.text == "A chest,\nmade of wood.\n\nIt is old."
    assert [(a.name, a.doc, a.is_required) for a in description.arguments] == [
        ("lid", "what closes it.", True),
        ("key", "", False),
        ("size", "how many fit in.", False),
    ]
    assert [argument_type(argument) for argument in description.arguments] == ["str", "str", "int"]
    assert not description.open


def test_a_named_constructor_has_its_own_arguments(toys: Any) -> None:
    description = describe_class(toys, "found_chest")
    assert [(argument.name, argument.doc) for argument in description.arguments] == [
        ("place", "where to look.")
    ]


def test_the_summary_is_one_line(toys: Any) -> None:
    assert summary(toys.by_name("chest")) == "A chest, made of wood."
    assert summary(lambda: 1) == ""


def test_registries_are_found_by_any_spelling(toys: Any) -> None:
    assert registries()["toy_box"] is toys
    for name in ("toy_box", "ToyBox", "toybox", "toy-box"):
        assert find_base(name) is toys
    with pytest.raises(ConfigurationError, match='did you mean "toy_box"'):
        find_base("toy_bx")


def test_classes_are_found_with_and_without_their_registry(toys: Any) -> None:
    assert find_class("toy_box:chest") == (toys, "chest")
    assert find_class("found_chest") == (toys, "found_chest")
    assert find_class("some.module.Class") == (None, "some.module.Class")
    with pytest.raises(ConfigurationError, match="say which one: second_box:chest, toy_box:chest"):
        find_class("chest")
    with pytest.raises(ConfigurationError, match='nothing is registered as "chset".*did you mean'):
        find_class("chset")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Model", "model"),
        ("Seq2SeqEncoder", "seq2seq_encoder"),
        ("TokenIndexer", "token_indexer"),
        ("DDPAccelerator", "ddp_accelerator"),
        ("MultiTaskEpochSampler", "multi_task_epoch_sampler"),
    ],
)
def test_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


OURS = """A thing.

    It does things.

    Args:
        size: how large
            it is.
        low, high: the bounds.
        *names: all of them.
        width (int): typed, too.

    Raises:
        ValueError: never: not an argument.
    """

ALLENNLP = """
A thing.

# Parameters

size : `int`, optional (default = `3`)
    How large
    it is.
low, high : `float`
    The bounds.

    More of the bounds.

# Returns

x : `int`
    Not an argument.
"""

NUMPY = """A thing.

Parameters
----------
size : int
    How large it is.

Returns
-------
x : int
    Not an argument.
"""


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        (
            OURS,
            {
                "size": "how large it is.",
                "low": "the bounds.",
                "high": "the bounds.",
                "names": "all of them.",
                "width": "typed, too.",
            },
        ),
        (
            ALLENNLP,
            {
                "size": "How large it is.",
                "low": "The bounds. More of the bounds.",
                "high": "The bounds. More of the bounds.",
            },
        ),
        (NUMPY, {"size": "How large it is."}),
        ("A thing.", {}),
        ("", {}),
    ],
)
def test_arguments(docstring: str, expected: dict[str, str]) -> None:
    assert parse_docstring(docstring)[1] == expected


@pytest.mark.parametrize(
    ("docstring", "text"),
    [(OURS, "A thing.\n\nIt does things."), (ALLENNLP, "A thing."), (NUMPY, "A thing."), ("", "")],
)
def test_text_before_the_arguments(docstring: str, text: str) -> None:
    assert parse_docstring(docstring)[0] == text
