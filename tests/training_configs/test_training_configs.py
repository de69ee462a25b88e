"""Every config that comes with the package passes the check, and trains."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from nlpreg.commands.checking import check_file, raise_problems
from nlpreg.commands.evaluate import evaluate_from_archive
from nlpreg.commands.train import train_model_from_file
from nlpreg.common.plugins import import_builtin_parts
from nlpreg.data.id_corpus import corpus_cache

FOLDER = Path(__file__).parents[2] / "training_configs"
CONFIGS = sorted(path.name for path in FOLDER.glob("*.jsonnet"))
WORDS = "the dog barks and a cat sleeps while it rains all day on every roof".split()  # noqa: SIM905


@pytest.fixture
def data(tmp_path, monkeypatch):
    """What the configs find under the names of their variables: very little of each kind."""
    monkeypatch.chdir(FOLDER.parent)
    sentences = [WORDS[start : start + 2 + start % 5] for start in range(len(WORDS) - 7)] * 4
    text = "".join(" ".join(words) + "\n" for words in sentences)
    rows = [
        "".join(f"{n}\t{word}\t_\tX{len(word) % 4}\t_\t_\t0\t_\t_\t_\n" for n, word in enumerate(words, 1))
        for words in sentences
    ]
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.conllu").write_text("".join(row + "\n" for row in rows))
    for name in ("test.txt", "valid.txt"):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("UD_ENGLISH_EWT", str(tmp_path))
    monkeypatch.setenv("WIKITEXT2", str(tmp_path))
    monkeypatch.setattr(corpus_cache, "CORPUS_CACHE", tmp_path / "corpora")
    import_builtin_parts()
    return tmp_path


def test_there_are_configs():
    assert len(CONFIGS) > 4


@pytest.mark.parametrize("name", CONFIGS)
def test_two_steps_of(name, data):
    path = FOLDER / name
    raise_problems(check_file(path), str(path))
    overrides = json.dumps({"trainer.num_epochs": 1, "data_loader.batches_per_epoch": 2})
    train_model_from_file(path, data / "out", overrides=overrides)
    metrics = json.loads((data / "out" / "metrics.json").read_text())
    assert math.isfinite(metrics["training_loss"])
    assert metrics["epoch"] == 0
    lines = (data / "out" / "metrics.jsonl").read_text().splitlines()
    assert max(json.loads(line)["step"] for line in lines) == 2


@pytest.mark.parametrize("name", ["lm_running_text.jsonnet", "lm_word.jsonnet"])
def test_evaluation_repeats_the_last_validation_of(name, data):
    (data / "valid.txt").write_text("a dog sleeps\n" + (data / "test.txt").read_text())
    overrides = json.dumps({"trainer.num_epochs": 2})
    train_model_from_file(FOLDER / name, data / "out", overrides=overrides)
    metrics = json.loads((data / "out" / "metrics.json").read_text())
    assert metrics["best_epoch"] == 1
    found = evaluate_from_archive(data / "out" / "model.tar.gz", str(data / "valid.txt"))
    assert found["perplexity"] == metrics["validation_perplexity"]
    assert found["loss"] == metrics["validation_loss"]
