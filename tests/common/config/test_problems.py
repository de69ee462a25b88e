import pickle
from typing import Any

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.problems import ConfigurationProblems, Problem, found, problems_error


def test_a_problem_in_one_line() -> None:
    assert str(Problem("a.b", "is wrong", location="c:3")) == "a.b: is wrong (c:3)"
    assert str(Problem("", "is wrong")) == "the config: is wrong"


def test_the_error_holds_all_of_them() -> None:
    problems = [Problem("a", "x"), Problem("b", "y")]
    error = problems_error(problems)
    assert isinstance(error, ConfigurationError) and not isinstance(error, TypeError)
    assert error.problems == problems
    assert str(error) == "a: x\nb: y"


def test_a_wrong_type_is_a_type_error_too() -> None:
    with pytest.raises(TypeError, match="a: x"):
        raise problems_error([Problem("a", "x", is_type=True), Problem("b", "y")])


def test_errors_travel_between_processes() -> None:
    error = ConfigurationProblems([Problem("a", "x")], "all of it")
    again = pickle.loads(pickle.dumps(error))
    assert (again.problems, str(again)) == (error.problems, "all of it")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", '"a" (a string)'),
        (True, "true (a boolean)"),
        (2.5, "2.5 (a number)"),
        ([1], "[1] (a list)"),
        ({"a": 1}, '{"a": 1} (an object)'),
        (None, "null"),
        ("ä" * 100, '"' + "ä" * 56 + "... (a string)"),
    ],
)
def test_values_as_messages_show_them(value: Any, text: str) -> None:
    assert found(value) == text
    assert text.startswith(found(value, kind=False))
