"""Exported programs compute what the model computes, for batches and sentences of other sizes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.export.exporting import export_archive
from nlpreg.commands.export.program import Program, tensors_of
from nlpreg.models.archival import load_archive

ROOT = Path(__file__).parents[3]
Config = dict[str, Any]
Train = Callable[..., Path]
EMBEDDER = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
CHARACTERS = {
    "token_embedders": {
        "tokens": {"type": "embedding", "embedding_dim": 4},
        "token_characters": {
            "type": "character_encoding",
            "embedding": {"embedding_dim": 3, "vocab_namespace": "token_characters"},
            "encoder": {"type": "cnn", "embedding_dim": 3, "num_filters": 2, "ngram_filter_sizes": [2, 3]},
            "dropout": 0.3,
        },
    }
}


def recurrent(kind: str, width: int = 4, **options: Any) -> Config:
    return {"type": kind, "input_size": width, "hidden_size": 4, **options}


MODELS: dict[str, Config] = {
    "crf_tagger": {
        "type": "crf_tagger",
        "text_field_embedder": CHARACTERS,
        "encoder": recurrent("gru", 8, bidirectional=True),
        "dropout": 0.2,
    },
    "simple_tagger": {
        "type": "simple_tagger",
        "text_field_embedder": EMBEDDER,
        "encoder": recurrent("lstm", num_layers=2, bidirectional=True),
    },
    "transformer": {
        "type": "simple_tagger",
        "text_field_embedder": EMBEDDER,
        "encoder": {"type": "pytorch_transformer", "input_dim": 4, "num_layers": 1, "num_attention_heads": 2},
    },
    "rnn": {"type": "simple_tagger", "text_field_embedder": EMBEDDER, "encoder": recurrent("rnn")},
}
VECTORS: dict[str, Config] = {
    "cnn": {"type": "cnn", "embedding_dim": 4, "num_filters": 2, "ngram_filter_sizes": [2, 3]},
    "lstm": recurrent("lstm", bidirectional=True),
    "boe": {"type": "boe", "embedding_dim": 4, "averaged": True},
}


def formats() -> list[Any]:
    return [pytest.param("torch", id="torch"), pytest.param("onnx", id="onnx")]


def needed(to: str) -> None:
    if to == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)


def check(run: Path, to: str, data: Path, folder: Path) -> Config:
    """Export a run, and run the program once more in a process of its own, by the example beside it."""
    needed(to)
    record = export_archive(run / "model.tar.gz", to, folder, str(data))
    assert json.loads((folder / "export.json").read_text()) == record
    assert len({tuple(size) for size in record["sizes"]}) > 1  # other sizes than the one it was made with
    assert max(record["largest_differences"].values()) < 1e-5
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if to == "torch":
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in record["outputs"])
    return record


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "to"),
    [
        pytest.param(name, to, marks=[] if name == "crf_tagger" else [pytest.mark.slow], id=f"{name}-{to}")
        for name in MODELS
        for to in ("torch", "onnx")
    ],
)
def test_taggers(name: str, to: str, tagger: Config, train: Train, tmp_path: Path) -> None:
    needed(to)
    tagger["model"] = MODELS[name]
    tagger["dataset_reader"]["token_indexers"] = {
        "tokens": {"type": "single_id"},
        "token_characters": {"type": "characters", "min_padding_length": 3},
    }
    if name != "crf_tagger":
        del tagger["dataset_reader"]["token_indexers"]["token_characters"]
    tagger["trainer"]["num_epochs"] = 1
    run = train(tagger, "-q")
    record = check(run, to, tmp_path / "train.txt", tmp_path / "exported")
    assert "logits" in record["outputs"]
    assert (tmp_path / "exported" / "crf_decoder.py").exists() == (name == "crf_tagger")
    assert (tmp_path / "exported" / "vocabulary" / "labels.txt").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("to", formats())
@pytest.mark.parametrize("name", VECTORS)
def test_classifiers(name: str, to: str, train: Train, tmp_path: Path) -> None:
    needed(to)
    data = tmp_path / "texts.jsonl"
    words = "a few words and then some more of them".split()  # noqa: SIM905
    rows = [{"text": " ".join(words[: 3 + n]), "label": f"l{n % 2}"} for n in range(6)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "dataset_reader": {"type": "text_classification_json", "tokenizer": "whitespace"},
        "train_data_path": str(data),
        "model": {
            "type": "basic_classifier",
            "text_field_embedder": EMBEDDER,
            "seq2vec_encoder": VECTORS[name],
        },
        "data_loader": {"batch_size": 2},
        "trainer": {"num_epochs": 1, "optimizer": "adam"},
    }
    record = check(train(config, "-q"), to, data, tmp_path / "exported")
    assert record["outputs"][:2] == ["logits", "probs"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("to", formats())
@pytest.mark.parametrize("is_bidirectional", [False, True])
def test_language_models(
    is_bidirectional: bool, to: str, language_model: Config, train: Train, tmp_path: Path
) -> None:
    needed(to)
    language_model["model"]["bidirectional"] = is_bidirectional
    language_model["model"]["contextualizer"]["bidirectional"] = is_bidirectional
    language_model["trainer"]["num_epochs"] = 1
    record = check(train(language_model, "-q"), to, tmp_path / "sentences.txt", tmp_path / "exported")
    assert "lm_embeddings" in record["outputs"]


def test_weights_alone(trained_tagger: Path, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    export_archive(trained_tagger, "safetensors", tmp_path / "out")
    found = safetensors.load_file(tmp_path / "out" / "model.safetensors")
    expected = load_archive(trained_tagger).model.state_dict()
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_program_takes_the_text_fields_by_name(trained_tagger: Path) -> None:
    archive = load_archive(trained_tagger)
    instances = list(archive.dataset_reader.read(trained_tagger.parent / "train.txt"))
    program = Program(archive.model.eval(), tensors_of(archive.model, instances[:2]))
    assert program.input_names == ["tokens.tokens.tokens"]
    tensors = tensors_of(archive.model, instances)
    with torch.no_grad():
        logits = program(*program.inputs_of(tensors))[program.output_names.index("logits")]
        expected = archive.model(tokens=tensors["tokens"])["logits"]
    numpy.testing.assert_array_equal(logits, expected)


def test_an_archive_does_not_choose_what_is_read(
    trained_tagger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(trained_tagger / "model.tar.gz"), "--to", "torch", "-o", str(tmp_path / "out")]
    assert main("nlpreg", words) == 2
    assert "name data with --data" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", formats())
def test_the_command_prints_the_comparison_and_no_warnings(
    to: str, trained_tagger: Path, tmp_path: Path
) -> None:
    needed(to)
    words = [
        "export",
        str(trained_tagger),
        "--to",
        to,
        "-o",
        "out",
        "--data",
        str(trained_tagger.parent / "train.txt"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "nlpreg", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("logits: equal to the model's, the largest difference ")
    assert (tmp_path / last).exists()


def test_a_folder_with_files_is_left_alone(
    trained_tagger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("")
    assert main("nlpreg", ["export", str(trained_tagger), "--to", "torch", "-o", str(tmp_path)]) == 2
    assert "expected a new or an empty folder" in capsys.readouterr().err
