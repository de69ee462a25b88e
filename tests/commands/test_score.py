"""`nlpreg score` with a language model of a few words."""

import json
import math
from pathlib import Path

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.predictors.scorer import Scorer

TEXT = "the dog ate the apple\n\na cat\ndogs\n"


@pytest.fixture(scope="module")
def archive(trained_language_model: Path) -> Path:
    return trained_language_model / "model.tar.gz"


def score(*words: object, status: int = 0) -> None:
    assert main("nlpreg", ["score", *map(str, words)]) == status


def test_scores_are_those_of_the_scorer(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.txt").write_text(TEXT)
    score(archive, tmp_path / "texts.txt", "--bits")
    shown = capsys.readouterr()
    lines = [json.loads(line) for line in shown.out.splitlines()]
    scorer = Scorer.from_path(archive)
    for line, text in zip(lines, ["the dog ate the apple", "a cat", "dogs"], strict=True):
        expected = scorer.score(text)
        assert line["text"] == text and line["tokens"] == expected.tokens
        assert line["log_probability"] == pytest.approx(expected.log_probability, abs=1e-4)
        assert line["surprisal"] == pytest.approx(-expected.log_probability / math.log(2), abs=1e-4)
        assert line["log_probabilities"][0] is None and line["surprisals"][0] is None
    assert lines[2]["perplexity"] is None
    assert "perplexity" in shown.err and "bits_per_character" in shown.err


def test_the_summary_has_the_perplexity_of_evaluate(
    archive: Path, trained_language_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = trained_language_model.parent / "sentences.txt"
    score(archive, data, "--summary")
    summary = json.loads(capsys.readouterr().out)
    assert (
        main("nlpreg", ["evaluate", str(archive), str(data), "--output-file", str(tmp_path / "metrics.json")])
        == 0
    )
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert summary["perplexity"] == pytest.approx(metrics["perplexity"], rel=1e-4)
    assert summary["num_texts"] == 5


def test_tables(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "texts.jsonl").write_text('{"sentence": "a\\tcat"}\n{"sentence": "dogs"}\n')
    score(archive, tmp_path / "texts.jsonl", "--format", "tsv", "--output-file", tmp_path / "scores.tsv")
    assert capsys.readouterr().out == ""
    rows = [line.split("\t") for line in (tmp_path / "scores.tsv").read_text().splitlines()]
    assert rows[0][-1] == "text" and len(rows) == 3
    assert rows[1][-1] == "a\\tcat" and rows[2][5] == ""
    score(archive, tmp_path / "texts.jsonl", "--format", "tokens")
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[2] for row in rows] == ["token", "a", "cat", "dogs"]
    assert rows[1][3] == "" and float(rows[2][3]) < 0


def test_texts_that_look_like_json_are_texts(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.txt").write_text('a cat\n{"sentence": "a"}\n')
    score(archive, tmp_path / "texts.txt")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[1]["text"] == '{"sentence": "a"}'


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ('{"sentence": "a cat"}\n{"text": "a"}\n', [], "texts.txt, line 2: expected an object such as"),
        ("a cat\n", ["--tokens-per-batch", "0"], "--tokens-per-batch: expected 1 or more, got 0"),
    ],
)
def test_what_is_wrong_is_named(
    archive: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    options: list[str],
    message: str,
) -> None:
    (tmp_path / "texts.txt").write_text(text)
    score(archive, tmp_path / "texts.txt", *options, status=2)
    assert message in capsys.readouterr().err
