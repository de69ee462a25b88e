import pytest

from nlpreg.common.checks import (
    ConfigurationError,
    check_at_least,
    check_patterns,
    check_share,
    did_you_mean,
    nearest,
)

"""The small checks that constructors use."""


def test_numbers_that_are_large_enough() -> None:
    check_at_least(1, size=1, other=None, third=2.5)
    check_share(dropout=0, other=1.0, third=None)
    check_patterns(no_grad=["^a", ".*b"], other=None)


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_numbers_that_are_too_small(value: float) -> None:
    with pytest.raises(ConfigurationError, match=f"size: expected 1 or more, got {value}"):
        check_at_least(1, fine=1, size=value)


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_numbers_that_are_no_share(value: float) -> None:
    with pytest.raises(ValueError, match=f"dropout: expected a number from 0 to 1, got {value}"):
        check_share(dropout=value)


def test_patterns_that_are_none() -> None:
    with pytest.raises(
        ConfigurationError, match=r"no_grad: '\*x' is not a valid .*nothing to repeat.*for any text write"
    ):
        check_patterns(no_grad=["fine", "*x"])
    with pytest.raises(ValueError, match=r"regexes: '\(x' is not a valid regular expression: missing \)"):
        check_patterns(regexes=["(x"])


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("lstmm", ["gru", "lstm"], "lstm"),
        ("cnn_highway", ["cnn", "cnn-highway"], "cnn-highway"),
        ("LSTM", ["lstm"], "lstm"),
        ("hiden_size", ["hidden_size", "input_size"], "hidden_size"),
        ("learning_rate", ["betas", "lr"], "lr"),
        ("something", ["else"], None),
        ("x", [], None),
        (3, ["3"], None),
        ("1", [1, None, "1"], "1"),
    ],
)
def test_the_nearest_name(name: object, known: list[object], expected: str | None) -> None:
    assert nearest(name, known) == expected


def test_the_words() -> None:
    assert did_you_mean("lstmm", ["lstm"]) == '; did you mean "lstm"?'
    assert did_you_mean("x", ["lstm"]) == ""
