import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.evaluate import evaluate_from_archive, parse_inputs
from nlpreg.models import archival


def evaluate(*words: object, status: int = 0) -> None:
    assert main("nlpreg", ["evaluate", *map(str, words)]) == status


def test_perplexity_is_that_of_the_last_validation(
    trained_language_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, data = trained_language_model, trained_language_model.parent / "sentences.txt"
    expected = json.loads((folder / "metrics.json").read_text())["best_validation_perplexity"]
    evaluate(folder / "model.tar.gz", data, "--output-file", tmp_path / "m.json")
    shown = dict(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  "))
    assert float(shown["perplexity"]) == pytest.approx(expected, abs=1e-4)
    assert json.loads((tmp_path / "m.json").read_text())["perplexity"] == pytest.approx(expected, abs=1e-6)
    # whatever the batches: the perplexity is that of the corpus
    metrics = evaluate_from_archive(folder, str(data), batch_size=5)
    assert metrics["perplexity"] == pytest.approx(expected, abs=1e-4)


@pytest.fixture
def trained(trained_tagger: Path, tmp_path: Path) -> Path:
    """The run of the tagger; its data are copied to the test's own folder."""
    for name in ("train.txt", "valid.txt"):
        shutil.copy(trained_tagger.parent / name, tmp_path)
    return trained_tagger


def test_metrics_are_those_of_training(trained: Path, tmp_path: Path) -> None:
    metrics = evaluate_from_archive(trained / "model.tar.gz", str(tmp_path / "valid.txt"))
    trained_metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["accuracy"] == trained_metrics["best_validation_accuracy"]
    assert metrics["loss"] == pytest.approx(trained_metrics["best_validation_loss"], abs=1e-5)


def test_details_are_those_of_the_evaluated_model(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []

    def counting_load(*args: Any) -> archival.Archive:
        loaded.append(load_archive(*args))
        return loaded[-1]

    load_archive = archival.load_archive
    monkeypatch.setattr(archival, "load_archive", counting_load)
    (tmp_path / "new.txt").write_text("the###DET aardvark###NOUN slept###VERB\n")
    evaluate(trained, tmp_path / "new.txt", "--extend-vocab", "--details")
    assert len(loaded) == 1
    shown = capsys.readouterr().out
    assert "accuracy on 1\n" in shown[shown.index("\nunknown words") :]  # the other words occur in training
    assert loaded[0].model.vocab.get_token_index("aardvark") > 1


def test_several_inputs(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = f"{tmp_path}/train.txt,{tmp_path}/valid.txt"
    outputs = f"{tmp_path}/1.json,{tmp_path}/2.json"
    evaluate(
        trained,
        inputs,
        "--output-file",
        outputs,
        "--predictions-output-file",
        outputs.replace("json", "pred"),
    )
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert names == [
        f"{stem}_{metric}" for stem in ("train", "valid") for metric in ("accuracy", "accuracy3", "loss")
    ]
    assert set(json.loads((tmp_path / "1.json").read_text())) == {"accuracy", "accuracy3", "loss"}
    lines = (tmp_path / "1.pred").read_text().splitlines()
    assert len(lines) == 5  # a line for each instance
    first = json.loads(lines[0])
    assert first["words"] == ["the", "dog", "ate", "the", "apple"]
    assert first["gold_tags"] == first["tags"] == ["DET", "NOUN", "VERB", "DET", "NOUN"]


def test_inputs_of_one_name_are_told_apart(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "train.txt", tmp_path / "other" / "valid.txt")
    inputs = f"{tmp_path}/valid.txt,{tmp_path}/other/valid.txt,{tmp_path}/train.txt"
    metrics = evaluate_from_archive(trained, inputs)
    assert [name for name in metrics if name.endswith("loss")] == ["0_loss", "1_loss", "train_loss"]
    assert metrics["1_loss"] == metrics["train_loss"]


def test_automatic_names(trained: Path, tmp_path: Path) -> None:
    evaluate(trained, tmp_path / "valid.txt", "--auto-names", "ALL")
    assert (tmp_path / "valid.outputs").exists() and (tmp_path / "valid.preds").exists()


def test_a_wrong_number_of_outputs(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="expected 1 output files"):
        evaluate_from_archive(trained, str(tmp_path / "valid.txt"), metrics_output_file="a,b")


def test_the_vocabulary_can_be_extended(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("zebra###NOUN slept###VERB\n")
    evaluate(trained, tmp_path / "new.txt", "--extend-vocab")
    evaluate(trained, tmp_path / "new.txt", "--extend-vocab", "--embedding-sources-mapping", "[1]", status=2)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a.txt", ["a.txt"]),
        ("a.txt,/b c.txt", ["a.txt", "/b c.txt"]),
        ('"a,b.txt"', ["a,b.txt"]),
        ('{"x": 1}, "b"', [{"x": 1}, "b"]),
    ],
)
def test_inputs(text: str, values: list[object]) -> None:
    assert parse_inputs(text) == values


MISTAKES = {
    "missing archive": (["nothing.tar.gz", "{valid}"], "nothing.tar.gz: there is no such file"),
    "folder without a run": (["{folder}", "{valid}"], "is not a run"),
    "missing input": (["{run}", "{folder}/nothing.txt"], "nothing.txt"),
    "too few outputs": (
        ["{run}", "{valid},{valid}", "--output-file", "m.json"],
        "expected 2 output files, one for each input, got 1: m.json",
    ),
    "missing weights": (["{run}", "{valid}", "--weights-file", "w.th"], "--weights-file: w.th"),
    "no folder for the output": (
        ["{run}", "{valid}", "--output-file", "/nowhere/m.json"],
        "no folder /nowhere",
    ),
    "empty input": (["{run}", "{folder}/empty.txt"], "empty.txt"),
    "unseen label": (["{run}", "{folder}/label.txt"], "INTJ"),
    "bad override": (["{run}", "{valid}", "-o", '{"modle.x": 1}'], "modle.x"),
    "truncated archive": (["{folder}/cut.tar.gz", "{valid}"], "cut.tar.gz"),
    "automatic names that are the same": (
        ["{run}", "{valid},{valid}", "--auto-names", "METRICS"],
        "several inputs would write to one file",
    ),
    "no input": (["{run}", " ,"], "INPUT: expected data"),
    "no such GPU": (["{run}", "{valid}", "--cuda-device", "97"], "GPU 97 was requested"),
    "one file for two outputs": (
        ["{run}", "{valid}", "--output-file", "m", "--predictions-output-file", "m"],
        "m: named twice",
    ),
    "unknown weight": (
        ["{run}", "{valid}", "--batch-weight-key", "wieght"],
        "expected an output of the model (logits, class_probabilities, loss, batch_weight, words), got 'wieght'",
    ),
    "no archive": (["{valid}", "{valid}"], "not a tar archive"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, message = MISTAKES[case]
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "label.txt").write_text("oh###INTJ dogs###NOUN\n")
    (tmp_path / "cut.tar.gz").write_bytes((trained / "model.tar.gz").read_bytes()[:900])
    places = {"run": trained, "valid": tmp_path / "valid.txt", "folder": tmp_path}
    evaluate(*(word if word.startswith('{"') else word.format(**places) for word in words), status=2)
    shown = capsys.readouterr()
    assert message in shown.err and "Traceback" not in shown.err


@pytest.mark.parametrize(
    "loader",
    [
        {"batch_sampler": {"type": "bucket", "batch_size": 2}},
        {"batch_size": 2, "max_instances_in_memory": 2, "num_workers": 2},
        {"batch_sampler": {"type": "max_tokens_sampler", "max_tokens": 6}},
    ],
    ids=lambda loader: "-".join(loader),
)
def test_predictions_come_in_the_order_of_the_input(
    loader: dict[str, Any], trained: Path, tmp_path: Path
) -> None:
    sentences = [["dogs"] * length for length in (3, 1, 4, 1, 2)]
    lines = [" ".join(f"{word}###NOUN" for word in words) for words in sentences]
    (tmp_path / "long.txt").write_text("\n".join(lines) + "\n")
    change = json.dumps({"data_loader": loader, "validation_data_loader": loader})
    evaluate(trained, tmp_path / "long.txt", "--predictions-output-file", tmp_path / "p.json", "-o", change)
    given = [json.loads(line) for line in (tmp_path / "p.json").read_text().splitlines()]
    words = [
        row
        for batch in given
        for row in (batch["words"] if isinstance(batch["words"][0], list) else [batch["words"]])
    ]
    assert words == sentences
