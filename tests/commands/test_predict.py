import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.common.util import JsonDict
from nlpreg.models import SimpleTagger
from nlpreg.predictors import Predictor, SentenceTaggerPredictor

SENTENCE = {"sentence": "the dog ate the apple"}


@pytest.fixture
def trained(trained_tagger: Path) -> Path:
    return trained_tagger / "model.tar.gz"


def predict(*words: object, status: int = 0) -> None:
    assert main("nlpreg", ["predict", *map(str, words)]) == status


def tags(line: str) -> list[str]:
    result: list[str] = json.loads(line)["tags"]
    return result


EXPECTED = ["DET", "NOUN", "VERB", "DET", "NOUN"]


def test_a_sentence_from_standard_input(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"\n{json.dumps(SENTENCE)}\n   \n{json.dumps({'sentence': 'a cat slept'})}\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    predict(trained, "-")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"input 0:  {json.dumps(SENTENCE)}"
    assert lines[1].startswith("prediction:  {") and tags(lines[1][13:]) == EXPECTED
    assert lines[2] == ""
    assert lines[3] == 'input 1:  {"sentence": "a cat slept"}'
    assert len(lines) == 6


def test_each_answer_comes_before_the_next_line_is_read(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Conversation:
        """Standard input of somebody who waits for each answer."""

        def isatty(self) -> bool:
            return True

        def __iter__(self) -> Iterator[str]:
            for text in ("a cat slept", "dogs bark"):
                yield json.dumps({"sentence": text}) + "\n"
                shown = capsys.readouterr()
                assert text in shown.out and "prediction: " in shown.out

    monkeypatch.setattr(sys, "stdin", Conversation())
    predict(trained, "-")


def test_the_fallback_tokenizer_is_announced_once(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nlpreg.predictors.predictor._has_spacy_model", lambda language: False)
    monkeypatch.setattr("nlpreg.predictors.predictor._told", set())
    (tmp_path / "in.jsonl").write_text(json.dumps({"sentence": "the dog ate!"}) + "\n" + json.dumps(SENTENCE))
    predict(trained, tmp_path / "in.jsonl")
    shown = capsys.readouterr()
    assert shown.err.count("sentences are split into words") == 1
    assert len(tags(shown.out.splitlines()[1][13:])) == 4


def test_another_tokenizer(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"sentence": "the dog ate!"}))
    predict(trained, tmp_path / "in.jsonl", "--predictor-args", '{"tokenizer": "whitespace"}')
    shown = capsys.readouterr()
    assert len(tags(shown.out.splitlines()[1][13:])) == 3
    assert shown.err == ""


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_batches_give_the_same(batch_size: int, trained: Path, tmp_path: Path) -> None:
    sentences = ["the dog ate the apple", "dogs bark", "a", "everybody read that book"]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps({"sentence": text}) for text in sentences))
    predict(
        trained, tmp_path / "in.jsonl", "--output-file", tmp_path / "out.jsonl", "--batch-size", batch_size
    )
    results = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [len(result["words"]) for result in results] == [5, 2, 1, 4]
    assert results[0]["tags"][:5] == EXPECTED


def test_with_the_dataset_reader(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predict(trained, trained.parents[1] / "train.txt", "--use-dataset-reader", "--batch-size", 2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("input 0:  Instance with fields:")
    assert sum(line.startswith("prediction:  ") for line in lines) == 5


def test_silence(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(SENTENCE))
    predict(trained, tmp_path / "in.jsonl", "--silent", "--output-file", tmp_path / "out.jsonl", "-q")
    assert capsys.readouterr() == ("", "")
    assert tags((tmp_path / "out.jsonl").read_text()) == EXPECTED
    predict(trained, tmp_path / "in.jsonl", "--silent")
    assert "nobody would see" in capsys.readouterr().err


def test_compressed_input_with_a_mark(trained: Path, tmp_path: Path) -> None:
    import gzip

    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + json.dumps(SENTENCE).encode()))
    predict(trained, tmp_path / "in.jsonl.gz", "--output-file", tmp_path / "out.jsonl", "--silent")
    assert tags((tmp_path / "out.jsonl").read_text()) == EXPECTED


def test_another_predictor(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Lines(SentenceTaggerPredictor):
        def load_line(self, line: str) -> JsonDict:
            return {"sentence": line.strip()}

        def dump_line(self, outputs: JsonDict) -> str:
            return " ".join(outputs["tags"]) + "\n"

    Predictor.register("test_lines")(Lines)
    (tmp_path / "in.txt").write_text("the dog ate the apple\n")
    predict(trained, tmp_path / "in.txt", "--predictor", "test_lines")
    assert f"prediction:  {' '.join(EXPECTED)}\n" in capsys.readouterr().out


def test_a_language_model_scores(
    trained_language_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(SENTENCE))
    predict(trained_language_model, tmp_path / "in.jsonl", "--predictor", "language_model")
    result = json.loads(capsys.readouterr().out.splitlines()[1][13:])
    assert result["tokens"] == SENTENCE["sentence"].split()
    assert result["num_targets"] == 4 and result["perplexity"] > 1


MISTAKES = {
    "not JSON": ('{"sentence": "a"}\n\n{nonsense\n', [], "in.jsonl, line 3: expected JSON"),
    "no sentence": (
        '{"sentence": "a"}\n{"text": "b"}\n',
        [],
        'in.jsonl, line 2: input: has the text under "text", but this predictor reads "sentence"',
    ),
    "no sentence in a batch": (
        '{"sentence": "a"}\n{"text": "b"}\n',
        ["--batch-size", "2"],
        "in.jsonl, line 1 to 2: input",
    ),
    "no object": ("[1]\n", [], "expected an object"),
    "not UTF-8": (b'{"sentence": "caf\xe9"}', [], "line 1: this is not UTF-8"),
    "unknown predictor": ("", ["--predictor", "sentence_taggr"], "sentence_tagger"),
    "arguments that are no JSON": ("", ["--predictor-args", "x"], "--predictor-args"),
    "unknown argument": ("", ["--predictor-args", '{"langage": "de"}'], 'did you mean "language"'),
    "bad batch size": ("", ["--batch-size", "0"], "--batch-size: expected at least 1"),
    "head for one task": ("", ["--multitask-head", "x", "--use-dataset-reader"], "has no heads"),
    "head without reader": ("", ["--multitask-head", "x"], "only together with"),
    "predictor of another model": (
        '{"sentence": "a"}',
        ["--predictor", "language_model"],
        'text field "source"',
    ),
    "no such GPU": ("", ["--cuda-device", "97"], "GPU 97 was asked for"),
    "no folder": ("", ["--output-file", "/nowhere/x"], "no folder /nowhere"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, options, message = MISTAKES[case]
    (tmp_path / "in.jsonl").write_bytes(content if isinstance(content, bytes) else content.encode())
    predict(trained, tmp_path / "in.jsonl", *options, status=2)
    shown = capsys.readouterr().err
    assert message in shown and "Traceback" not in shown


def test_more_mistakes(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    predict(trained, "-", "--use-dataset-reader", status=2)
    assert "cannot read standard input" in capsys.readouterr().err
    predict(trained, tmp_path / "nothing.jsonl", status=2)
    assert "nothing.jsonl: there is no such file" in capsys.readouterr().err
    (tmp_path / "in.jsonl").write_text("")
    monkeypatch.setattr(SimpleTagger, "default_predictor", None)
    predict(trained, tmp_path / "in.jsonl", status=2)
    assert "has no predictor of its own; choose one of " in capsys.readouterr().err
    predict(trained, trained.parent.parent / "valid.txt", "--use-dataset-reader")  # the base class does
    assert "prediction: " in capsys.readouterr().out
