import pytest

from nlpreg.common.suggestions import did_you_mean, nearest


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
