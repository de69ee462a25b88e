"""`nlpreg compare` on models whose answers are known."""

from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands import main
from nlpreg.commands.compare import compare, difference_lines, summary_lines
from nlpreg.commands.report import analysis
from nlpreg.commands.report.analysis import Analysis, Example
from nlpreg.common.checks import ConfigurationError

GOLD = [["B-PER", "I-PER", "O"], ["O", "B-LOC"], ["O", "O"]]
WORDS = [["Ann", "Lee", "ran"], ["in", "Rome"], ["it", "rains"]]
FIRST = [["B-PER", "I-PER", "O"], ["O", "O"], ["O", "O"]]
SECOND = [["B-PER", "O", "O"], ["O", "B-LOC"], ["O", "O"]]


def examples(predicted: list[list[str]]) -> list[Example]:
    return [Example(*row) for row in zip(WORDS, GOLD, predicted, strict=True)]


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Example] | None]:
    """Archive -> what the model in it makes of the data."""
    answers: dict[str, list[Example] | None] = {"a": examples(FIRST), "b": examples(SECOND)}

    def analyse(archive: str, data: Any, *_: Any) -> Analysis | None:
        found = answers[archive]
        return None if found is None else Analysis(str(data), found)

    monkeypatch.setattr(analysis, "analyse", analyse)
    return answers


def test_small_p_values(models: dict[str, list[Example] | None]) -> None:
    models["a"] = [Example(["a", "b"], ["X", "Y"], ["X", "Y"])] * 40
    models["b"] = [Example(["a", "b"], ["X", "Y"], ["Y", "X"])] * 40
    lines = summary_lines(compare("a", "b", "test"))
    assert lines[3].split()[-2:] == ["<", "0.001"]
    assert any(line.endswith("McNemar's test: p < 0.001") for line in lines)


@pytest.mark.usefixtures("models")
def test_figures_and_tests() -> None:
    found = compare("a", "b", "test")
    assert (found.figures["accuracy"].first, found.figures["accuracy"].second) == (6 / 7, 6 / 7)
    assert (found.figures["whole texts"].first, found.figures["whole texts"].second) == (2 / 3, 2 / 3)
    # first: 1 right of 1 predicted and 2 gold; second: 1 right (Rome) of 2 predicted and 2 gold
    assert found.figures["span F1"].first == pytest.approx(2 / 3)
    assert found.figures["span F1"].second == pytest.approx(1 / 2)
    assert (found.only_first, found.only_second, found.p_value) == (1, 1, 1.0)
    lines = difference_lines(found)
    assert lines == [
        "only the first: Ann Lee ran   Lee: I-PER -> O",
        "only the second: in Rome   Rome: B-LOC -> O",
    ]
    assert (
        "labels that only the first gets right: 1; only the second: 1; McNemar's test: p = 1.0000"
        in summary_lines(found)
    )


def test_spans_of_other_encodings_are_the_same(models: dict[str, list[Example] | None]) -> None:
    names = {"B-PER": "B-PER", "I-PER": "L-PER", "B-LOC": "U-LOC", "O": "O"}

    def bioul(tags: list[str]) -> list[str]:
        return [names[tag] for tag in tags]

    bio = compare("a", "b", "test").figures["span F1"].first
    for name, found in list(models.items()):
        assert found is not None
        models[name] = [Example(e.words, bioul(e.gold), bioul(e.predicted)) for e in found]
    assert compare("a", "b", "test").figures["span F1"].first == bio


def test_parts_of_speech_have_no_spans(models: dict[str, list[Example] | None]) -> None:
    models["a"] = models["b"] = [Example(["a", "b"], ["DET", "NOUN"], ["DET", "NOUN"])]
    assert list(compare("a", "b", "test").figures) == ["accuracy", "whole texts"]


def test_models_of_other_labels_are_refused(models: dict[str, list[Example] | None]) -> None:
    models["b"] = [Example(words, ["X"] * len(words), ["X"] * len(words)) for words in WORDS]
    with pytest.raises(ConfigurationError, match="in instance 1 they are 'B-PER I-PER O' and 'X X X'"):
        compare("a", "b", "test")
    models["b"] = examples(SECOND)[:2]
    with pytest.raises(
        ConfigurationError, match="expected both models to read the same instances, got 3 and 2"
    ):
        compare("a", "b", "test")
    models["b"] = None
    with pytest.raises(
        ConfigurationError, match="SECOND: b: expected a tagger or classifier and labelled data"
    ):
        compare("a", "b", "test")


def test_as_a_command(
    models: dict[str, list[Example] | None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for name in "ab":
        (tmp_path / f"{name}.tar.gz").touch()
        paths.append(str(tmp_path / f"{name}.tar.gz"))
        models[paths[-1]] = models[name]
    main(argv=["compare", *paths, "test", "--samples", "50", "--differences", str(tmp_path / "d.txt")])
    shown = capsys.readouterr().out
    assert shown.startswith(f"first   {paths[0]}\nsecond  {paths[1]}\ndata    test\n3 texts\n")
    assert "span F1" in shown
    assert len((tmp_path / "d.txt").read_text(encoding="utf-8").splitlines()) == 2
