import argparse
import logging
import warnings
from pathlib import Path

import pytest

from nlpreg.commands.console import console, format_value, metrics_block, prepare_run_logging, table


def lines(
    options: dict[str, bool], folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[list[str], str]:
    """What reaches the console, and the log file."""
    with console(argparse.Namespace(**options)):
        prepare_run_logging(str(folder))
        logging.getLogger("nlpreg.commands.train.experiment").info("spoken")
        logging.getLogger("nlpreg.common.params").info("chatter")
        logging.getLogger("nlpreg.nn.initializers").warning("careful")
        logging.getLogger("other").error("broken")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = warnings.showwarning  # kept by catch_warnings
            warnings.warn("old way", UserWarning, stacklevel=1)
    shown = capsys.readouterr()
    return (shown.out + shown.err).splitlines(), (folder / "out.log").read_text()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"spoken", "warning: careful", "error: broken", "warning: old way"}),
        ({"verbose": True}, {"spoken", "chatter", "warning: careful", "error: broken"}),
        ({"quiet": True}, {"error: broken"}),
    ],
    ids=["default", "verbose", "quiet"],
)
def test_verbosity(
    options: dict[str, bool], expected: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, log = lines(options, tmp_path, capsys)
    if options.get("verbose"):
        assert expected - {"chatter"} <= set(shown)
    else:
        assert set(shown) == expected
    assert all(word in log for word in ("spoken", "chatter", "careful", "broken", "old way"))


def test_everything_is_put_back(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, warnings.showwarning)
    with console(argparse.Namespace(quiet=True, debug=True)):
        prepare_run_logging(str(tmp_path))
        assert root.handlers != before[0]
    assert (list(root.handlers), root.level, warnings.showwarning) == before


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.93712345, "0.9371"),
        (312.123456, "312.1235"),
        (123456.789, "123,456.7890"),
        (0.0, "0.0000"),
        (0.00123456, "0.001235"),
        (1e-9, "1e-09"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (-2.5, "-2.5000"),
        (12, "12"),
        (True, "True"),
        ("0:00:07", "0:00:07"),
        (None, "None"),
    ],
)
def test_values_for_people(value: object, text: str) -> None:
    assert format_value(value) == text


def test_metrics_block() -> None:
    block = metrics_block(
        "metrics", {"training": {"loss": 0.5, "accuracy": 0.75}, "test": {"loss": 12.25}, "none": {}}
    )
    assert block.splitlines() == [
        "metrics",
        "            training     test",
        "  loss        0.5000  12.2500",
        "  accuracy    0.7500",
    ]


def test_tables() -> None:
    assert table([]) == []
    assert table([["a", "1"], ["long", "22"]]) == ["a      1", "long  22"]


def test_scores_of_labels_make_a_table_of_their_own() -> None:
    spans = {
        f"{kind}-{label}": 0.5 for label in ("PER", "B-C") for kind in ("precision", "recall", "f1-measure")
    }
    overall = {"accuracy": 1.0, "f1-measure-overall": 0.25, "precision-overall": 0.5, "recall-overall": 0.5}
    tags = {f"NOUN-{kind}": value for kind, value in (("precision", 0.1), ("recall", 0.2), ("fscore", 0.3))}
    odd = {"average-precision": 0.9}  # which has no recall beside it
    assert metrics_block("metrics", {"": {**overall, **spans, **odd}}).splitlines() == [
        "metrics",
        "  accuracy            1.0000",
        "  f1-measure-overall  0.2500",
        "  precision-overall   0.5000",
        "  recall-overall      0.5000",
        "  average-precision   0.9000",
        "by label",
        "       precision  recall      F1",
        "  PER     0.5000  0.5000  0.5000",
        "  B-C     0.5000  0.5000  0.5000",
    ]
    assert metrics_block("metrics", {"training": overall, "validation": tags}).splitlines()[-3:] == [
        "by label, validation",
        "        precision  recall      F1",
        "  NOUN     0.1000  0.2000  0.3000",
    ]
