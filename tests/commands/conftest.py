"""A tagger and a language model small enough to be trained in every test."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands import main

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


@pytest.fixture
def tagger(tmp_path: Path) -> dict[str, Any]:
    """The config of a tagger, its data in the test's folder."""
    (tmp_path / "train.txt").write_text(TRAINING)
    (tmp_path / "valid.txt").write_text(VALIDATION)
    return {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": str(tmp_path / "train.txt"),
        "validation_data_path": str(tmp_path / "valid.txt"),
        "model": {
            "type": "simple_tagger",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
            "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 4, "bidirectional": True},
        },
        "data_loader": {"batch_size": 2, "shuffle": True},
        "trainer": {"num_epochs": 2, "optimizer": {"type": "adam", "lr": 0.05}, "cuda_device": -1},
    }


@pytest.fixture
def language_model(tmp_path: Path) -> dict[str, Any]:
    """The config of a language model, its data in the test's folder."""
    (tmp_path / "sentences.txt").write_text(SENTENCES)
    return {
        "dataset_reader": {"type": "simple_language_modeling", "tokenizer": "whitespace"},
        "train_data_path": str(tmp_path / "sentences.txt"),
        "validation_data_path": str(tmp_path / "sentences.txt"),
        "model": {
            "type": "language_model",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
            "contextualizer": {"type": "lstm", "input_size": 4, "hidden_size": 4},
        },
        "data_loader": {"batch_size": 2, "shuffle": True},
        "trainer": {"num_epochs": 2, "validation_metric": "-perplexity", "cuda_device": -1},
    }


Train = Callable[..., Path]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Trains a config with `nlpreg train` and returns the run's folder."""

    def train_config(config: dict[str, Any], *options: str, name: str = "out", status: int = 0) -> Path:
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(config))
        folder = tmp_path / name
        assert main("nlpreg", ["train", str(file), "-s", str(folder), *options]) == status
        return folder

    return train_config
