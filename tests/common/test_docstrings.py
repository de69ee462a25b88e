import pytest

from nlpreg.common.docstrings import parse_docstring

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
