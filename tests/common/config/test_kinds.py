import inspect
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Dict, List, Literal, Optional, Tuple, Union

import pytest

from nlpreg.common import FromParams, Lazy
from nlpreg.common.config.kinds import expected, with_article


class Oven(FromParams):
    pass


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number"),
        (Optional[float], "a number"),
        (Union[int, List[str]], "a whole number or a list of strings"),
        (bool, "true or false"),
        (List[int], "a list of whole numbers"),
        (Tuple[bool, ...], "a list of truth values"),
        (Sequence[Oven], "a list of Oven"),
        (List[Dict[str, int]], "a list"),
        (Tuple[int, Any], "a list of 2 items (a whole number, anything)"),
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
