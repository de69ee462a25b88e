"""The space of a search, from Jsonnet to Optuna's distributions and back to values of a config."""

from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.runs.space import Dimension, read_space
from nlpreg.common.checks import ConfigurationError


def space(tmp_path: Path, text: str) -> list[Dimension]:
    (tmp_path / "space.jsonnet").write_text(text)
    return read_space(tmp_path / "space.jsonnet")


def test_every_kind(tmp_path: Path) -> None:
    dimensions = space(
        tmp_path,
        "{ a: { type: 'float', low: 1e-4, high: 1, log: true }, b: { type: 'int', low: 2, high: 8, step: 2 },"
        " c: ['x', null, true, 1, [1, 2]], 'd.e': { type: 'categorical', choices: [1] } }",
    )
    assert dimensions == [
        Dimension("a", "float", 1e-4, 1, log=True),
        Dimension("b", "int", 2, 8, step=2),
        Dimension("c", "categorical", choices=("x", None, True, 1, [1, 2])),
        Dimension("d.e", "categorical", choices=(1,)),
    ]
    assert [dimension.ends() for dimension in dimensions[:2]] == [[1e-4, 1], [2, 8]]


def test_values_come_back_as_they_were_given(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    choices: list[Any] = ["x", None, True, 1, [1, 2], {"type": "lstm"}]
    dimension = Dimension("c", "categorical", choices=tuple(choices))
    drawn = dimension.distribution().choices
    assert [dimension.value(value) for value in drawn] == choices
    number = Dimension("b", "int", 2, 8, step=2).distribution()
    assert (number.low, number.high, number.step) == (2, 8, 2)
    assert Dimension("a", "float", 0.1, 1, log=True).distribution().log


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "at least one key"),
        ("{ a: 1 }", r"space\.jsonnet: a: expected a list of values, or an object"),
        ("{ a: { type: 'flot', low: 0, high: 1 } }", "with the type float, int or categorical"),
        ("{ a: { type: 'float', low: 0, hihg: 1 } }", "unknown key 'hihg'; did you mean \"high\""),
        ("{ a: { type: 'float', low: 2, high: 1 } }", "in this order, got 2 and 1"),
        ("{ a: { type: 'int', low: 0.5, high: 1 } }", "two integers"),
        ("{ a: { type: 'float', low: 0, high: 1, log: true } }", "with log, expected low above 0"),
        ("{ a: { type: 'float', low: 0, high: 1, step: 0 } }", "a step above 0"),
        ("{ a: [] }", "a list of at least one value"),
    ],
)
def test_mistakes(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        space(tmp_path, text)
