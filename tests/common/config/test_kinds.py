import inspect
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Dict, List, Literal, NewType, Optional, Tuple, Union

import pytest

from nlpreg.common import FromParams, Lazy
from nlpreg.common.config.kinds import ListOf, Scalar, expected, kind_of, members_of, type_name, with_article
from nlpreg.common.config.nodes import Literal as Literal_
from nlpreg.common.config.resolve import Resolver


class Oven(FromParams):
    pass


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "an integer"),
        (Optional[float], "a number"),
        (Union[int, List[str]], "an integer or a list of strings"),
        (bool, "true or false"),
        (List[int], "a list of integers"),
        (Tuple[bool, ...], "a list of truth values"),
        (Sequence[Oven], "a list of Oven"),
        (List[Dict[str, int]], "a list"),
        (Tuple[int, Any], "a list of 2 items (an integer, anything)"),
        (Dict[str, int], "an object"),
        (Literal["a", 1], "one of 'a', 1"),
        (Oven, "an Oven"),
        (Lazy[Oven], "an Oven"),
        (Union[str, PathLike], "a string or a path"),
        (Path, "a path"),
        (Any, ""),
        (Union[int, Any], ""),
        (inspect.Parameter.empty, ""),
    ],
)
def test_annotations_in_words(annotation: Any, words: str) -> None:
    assert expected(annotation) == words


def test_articles() -> None:
    assert [with_article(name) for name in ("Model", "Optimizer")] == ["a Model", "an Optimizer"]


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Optional[int], "int or None"),
        (int | str, "int or str"),
        (Union[List[int], Dict[str, Any]], "list[int] or dict[str, Any]"),
        (Literal["a", 1], "'a' or 1"),
        (Oven, "Oven"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Lazy[Oven], "Oven"),
        (Callable[[int], str], "Callable[[int], str]"),
        (inspect.Parameter.empty, "anything"),
    ],
)
def test_types_in_words(annotation: Any, text: str) -> None:
    assert type_name(annotation) == text


@pytest.mark.parametrize(
    ("annotation", "members"),
    [
        (Union[str, int], [str, int]),
        (Union[int, str], [int, str]),  # equal to the one above, to Python
        (Union[int, str, None], [int, str]),
        (str | int, [str, int]),
        (Annotated[int | str, "x"], [int, str]),
        (int, [int]),
    ],
)
def test_members_of_a_union_keep_their_order(annotation: Any, members: list[Any]) -> None:
    assert [member.annotation for member in members_of(kind_of(annotation))] == members


def test_wrappers_are_looked_through() -> None:
    Width = NewType("Width", int)
    assert kind_of(list[Annotated[Width, "columns"]]) == ListOf(
        list[Annotated[Width, "columns"]], Scalar(int), list
    )


@pytest.mark.parametrize(
    "annotation", [list, List, dict, Dict, tuple, Callable, "Nobody", object, type[Oven]]
)
def test_annotations_that_say_nothing_take_anything(annotation: Any) -> None:
    node = Resolver().resolve(kind_of(annotation), {"a": [1]}, "x")
    assert isinstance(node, Literal_) and node.value == {"a": [1]}
