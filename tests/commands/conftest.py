"""A tagger and a language model small enough to be trained in every test."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main

TRAINING = """the###DET dog###NOUN ate###VERB the###DET apple###NOUN
everybody###PRON read###VERB that###DET book###NOUN
a###DET cat###NOUN slept###VERB
dogs###NOUN bark###VERB
the###DET cat###NOUN read###VERB a###DET book###NOUN
"""
VALIDATION = """the###DET cat###NOUN ate###VERB a###DET book###NOUN
everybody###PRON slept###VERB
"""
SENTENCES = "the dog ate the apple\neverybody read that book\na cat slept\ndogs bark\nthe cat read a book\n"


def tagger_config(folder: Path) -> dict[str, Any]:
    """The config of a tagger, its data in `folder`."""
    (folder / "train.txt").write_text(TRAINING)
    (folder / "valid.txt").write_text(VALIDATION)
    return {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": str(folder / "train.txt"),
        "validation_data_path": str(folder / "valid.txt"),
        "model": {
            "type": "simple_tagger",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
            "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 4, "bidirectional": True},
        },
        "data_loader": {"batch_size": 2, "shuffle": True},
        "trainer": {"num_epochs": 2, "optimizer": {"type": "adam", "lr": 0.05}, "cuda_device": -1},
    }


def language_model_config(folder: Path) -> dict[str, Any]:
    """The config of a language model, its data in `folder`."""
    (folder / "sentences.txt").write_text(SENTENCES)
    return {
        "dataset_reader": {"type": "simple_language_modeling", "tokenizer": "whitespace"},
        "train_data_path": str(folder / "sentences.txt"),
        "validation_data_path": str(folder / "sentences.txt"),
        "model": {
            "type": "language_model",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
            "contextualizer": {"type": "lstm", "input_size": 4, "hidden_size": 4},
        },
        "data_loader": {"batch_size": 2, "shuffle": True},
        "trainer": {"num_epochs": 2, "validation_metric": "-perplexity", "cuda_device": -1},
    }


def run_train(config: dict[str, Any], folder: Path, *options: str) -> int:
    """`nlpreg train`, with the config in a file beside the run's folder."""
    file = folder.with_suffix(".json")
    file.write_text(json.dumps(config))
    return main("nlpreg", ["train", str(file), "-s", str(folder), *options])


@pytest.fixture
def tagger(tmp_path: Path) -> dict[str, Any]:
    """The config of a tagger."""
    return tagger_config(tmp_path)


@pytest.fixture
def language_model(tmp_path: Path) -> dict[str, Any]:
    """The config of a language model."""
    return language_model_config(tmp_path)


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Path]:
    """Trains a config with `nlpreg train` and returns the run's folder."""

    def train_config(config: dict[str, Any], *options: str, name: str = "out", status: int = 0) -> Path:
        assert run_train(config, tmp_path / name, *options) == status
        return tmp_path / name

    return train_config


@pytest.fixture(scope="session")
def trained_tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose tagger knows its training data by heart; the data are in the folder above."""
    folder = tmp_path_factory.mktemp("tagger") / "out"
    config = tagger_config(folder.parent)
    config["trainer"]["num_epochs"] = 20
    assert run_train(config, folder, "-q") == 0
    return folder


@pytest.fixture(scope="session")
def trained_language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of a language model; its data are in the folder above."""
    folder = tmp_path_factory.mktemp("language_model") / "out"
    assert run_train(language_model_config(folder.parent), folder, "-q") == 0
    return folder


def finished_run(folder: Path, **trainer: Any) -> Path:
    """The folder, with `c.json`, its data, and the run `out` of that config; options are the trainer's."""
    (folder / "data.txt").write_text("a###X b###Y\nb###Y\na###X a###X\nc###Z b###Y a###X\n")
    config: dict[str, Any] = {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": str(folder / "data.txt"),
        "validation_data_path": str(folder / "data.txt"),
        "model": {
            "type": "simple_tagger",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 3}}},
            "encoder": {"type": "lstm", "input_size": 3, "hidden_size": 3},
        },
        "data_loader": {"batch_size": 2, "shuffle": True},
        "trainer": {"cuda_device": -1, **trainer},
    }
    (folder / "c.json").write_text(json.dumps(config))
    assert main("nlpreg", ["train", str(folder / "c.json"), "-s", str(folder / "out"), "-q"]) == 0
    return folder
