"""The page holds what it promises, escapes what comes from data, and asks for nothing from the network."""

import math
import re
from html.parser import HTMLParser

import pytest

from nlpreg.commands.report.analysis import Analysis, Example
from nlpreg.commands.report.page import comparison_page, run_page
from nlpreg.commands.report.run_record import RunRecord


def record(name: str = "run", **changes) -> RunRecord:
    lines = [
        {"event": "step", "epoch": 0, "batch": 1, "step": 1, "learning_rate": 0.1},
        {
            "event": "epoch",
            "epoch": 0,
            "step": 2,
            "seconds": 1.5,
            "training_loss": 2.0,
            "validation_loss": 1.0,
        },
        {
            "event": "epoch",
            "epoch": 1,
            "step": 4,
            "seconds": 4.0,
            "training_loss": 1.0,
            "validation_loss": math.inf,
        },
    ]
    values = {
        "config": {"model": {"type": "simple_tagger", "dropout": 0.5}},
        "resolved": {"model": {"type": "simple_tagger", "dropout": 0.5, "verbose_metrics": False}},
        "meta": {"version": "0.1.0", "command": ["nlpreg", "train"]},
        "metrics": {"best_epoch": 0, "best_validation_loss": 1.0},
        "lines": lines,
        "vocabulary": {"tokens": 1234},
    }
    return RunRecord(f"/runs/{name}", **{**values, **changes})


class Tags(HTMLParser):
    """Collects the tags of a page, and checks that those which must be closed are."""

    VOID = {"meta", "br", "line", "circle", "polyline"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def tags_of(page: str) -> list[str]:
    parser = Tags()
    parser.feed(page)
    assert parser.open == []
    return parser.seen


def test_a_page_about_a_run() -> None:
    page = run_page(record())
    tags = tags_of(page)
    assert tags.count("svg") == 3  # loss, learning rate, time
    assert "1,234" in page
    assert "best epoch: 1" in page
    assert "<code class='changed'>model.dropout</code>" in page
    assert "<code class='default'>model.verbose_metrics</code>" in page


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([2.2508, 0.6816, 0.0333], ["0", "1", "2", "3"]),
        ([0.00012, 0.00031], ["0.0001", "0.00015", "0.0002", "0.00025", "0.0003", "0.00035"]),
        ([107.2, 68.2], ["60", "70", "80", "90", "100", "110"]),
        ([-3.5, -1.0], ["-4", "-3", "-2", "-1"]),
        ([0.5, 0.5], ["0.2", "0.4", "0.6", "0.8"]),
        ([1e12, 2e12], ["1e+12", "1.25e+12", "1.5e+12", "1.75e+12", "2e+12"]),
        ([1e-13, 3e-13], ["1e-13", "1.5e-13", "2e-13", "2.5e-13", "3e-13"]),
    ],
)
def test_axes_have_round_numbers(losses: list[float], expected: list[str]) -> None:
    lines = [
        {"event": "epoch", "epoch": n, "step": n, "seconds": 1.0, "training_loss": loss}
        for n, loss in enumerate(losses)
    ]
    (chart,) = re.findall(r"<h3>loss</h3><svg.*?</svg>", run_page(record(lines=lines, metrics={})))
    assert re.findall(r"text-anchor='end'>([^<]*)<", chart)[:-1] == expected  # the last is the last epoch


def test_nothing_comes_from_the_network() -> None:
    page = run_page(record(), Analysis("dev", [Example(["a", "b"], ["X", "Y"], ["X", "X"])]))
    assert not re.search(r"(src|href|url\()", page)
    assert "<script" not in page


def test_text_from_data_is_escaped() -> None:
    hostile = "<script>alert('x')</script>"
    analysis = Analysis(hostile, [Example([hostile, "b"], [hostile, "Y"], ["X", "X"])])
    page = run_page(record(config={"model": {"type": hostile}}), analysis)
    tags_of(page)
    assert "<script" not in page


def test_labels_with_probabilities_have_a_reliability_diagram() -> None:
    examples = [Example(["a", "b"], ["X", "Y"], ["X", "X"], [0.9, 0.6]), Example(["c"], ["X"], ["X"], [0.8])]
    analysis = Analysis("test.txt", examples)
    page = run_page(record(), analysis)
    error = (abs(0.9 - 1) + abs(0.6 - 0) + abs(0.8 - 1)) / 3  # each label in a bin of its own
    assert f"Accuracy by confidence (expected calibration error {error:.4f})" in page
    assert "perfectly calibrated" in page
    cells = re.findall(r"<tr>(.*?)</tr>", page[page.index("expected calibration error") :])
    rows = [re.sub("<.*?>", " ", cell).split() for cell in cells[1:4]]
    assert [[float(number) for number in row] for row in rows] == [[0.6, 0, 1], [0.8, 1, 1], [0.9, 1, 1]]
    without = Analysis("test.txt", [Example(["c"], ["X"], ["X"])])
    assert "Accuracy by confidence" not in run_page(record(), without)


def test_a_run_without_anything_has_a_page() -> None:
    page = run_page(RunRecord("/runs/empty", config={}))
    tags_of(page)
    assert "not finished" in page


def test_empty_texts_and_many_labels_have_a_page() -> None:
    words = [f"w{n}" for n in range(60)]
    examples = [Example([], ["l0"], ["l1"]), Example(words, words, words[::-1])]
    page = run_page(record(), Analysis("dev", examples))
    tags_of(page)
    assert "most frequent of 62 labels" in page


def test_runs_beside_each_other() -> None:
    other = record("other", config={"model": {"type": "simple_tagger", "dropout": 0.1}})
    page = comparison_page([record(), other])
    tags_of(page)
    assert "other: validation" in page
    assert "model.dropout" in page
    assert "model.type" not in page
