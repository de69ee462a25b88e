"""Indexers and embedders of one name belong together."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.commands.check.checking import check_config
from nlpreg.commands.train import train_model
from nlpreg.common.params import Params
from nlpreg.common.plugins import import_builtin_parts
from nlpreg.models.archival import extracted_archive, load_archive


def problems(embedders: Any, reader: dict[str, Any], **more: Any) -> dict[str, str]:
    import_builtin_parts()
    section = {name: {"type": "embedding", "embedding_dim": 4} for name in embedders}
    config = {
        "dataset_reader": reader,
        "train_data_path": {"not": "looked at"},
        "model": {
            "type": "simple_tagger",
            "text_field_embedder": {"token_embedders": section},
            "encoder": {"type": "lstm", "input_size": 4 * len(section), "hidden_size": 2},
        },
        "data_loader": {"batch_size": 1},
        "trainer": {},
        **more,
    }
    return {problem.path: problem.message for problem in check_config(config).problems}


def reader(*indexers: str) -> dict[str, Any]:
    return {"type": "sequence_tagging", "token_indexers": {name: {"type": "single_id"} for name in indexers}}


EMBEDDERS = "model.text_field_embedder.token_embedders"


@pytest.mark.parametrize(
    ("embedders", "section"),
    [
        (["tokens"], {"type": "sequence_tagging"}),
        (["a", "b"], reader("b", "a")),
        (["a"], {"type": "sharded", "base_reader": reader("a")}),
    ],
)
def test_names_that_agree(embedders: list[str], section: dict[str, Any]) -> None:
    assert problems(embedders, section) == {}


def test_a_namespace_that_nobody_fills() -> None:
    import_builtin_parts()
    embedders = {
        "a": {"type": "embedding", "embedding_dim": 4, "vocab_namespace": "wrods"},
        "b": {"type": "embedding", "embedding_dim": 4, "vocab_namespace": "any", "num_embeddings": 9},
    }
    indexers = {
        "a": {"type": "single_id", "namespace": "words"},
        "b": {"type": "single_id", "namespace": "words"},
    }
    config = {
        "dataset_reader": {"type": "sequence_tagging", "token_indexers": indexers},
        "train_data_path": {"not": "looked at"},
        "model": {
            "type": "simple_tagger",
            "text_field_embedder": {"token_embedders": embedders},
            "encoder": {"type": "lstm", "input_size": 8, "hidden_size": 2},
        },
        "data_loader": {"batch_size": 1},
        "trainer": {},
    }
    (problem,) = check_config(config).problems
    assert problem.path == f"{EMBEDDERS}.a.vocab_namespace"
    assert 'has "namespace": "wrods"; did you mean "words"? (there are: words)' in problem.message
    embedders["a"]["vocab_namespace"] = "words"
    assert check_config(config).problems == []


def test_an_embedder_without_indexer() -> None:
    assert problems(["tokens", "pos"], reader("tokens")) == {
        f"{EMBEDDERS}.pos": "dataset_reader.token_indexers has no indexer of this name (there are: tokens)"
    }
    assert problems(["words"], {"type": "sequence_tagging"}).keys() == {
        f"{EMBEDDERS}.words",
        "dataset_reader.token_indexers.tokens",
    }


def test_an_indexer_without_embedder() -> None:
    found = problems(["tokens"], reader("tokens", "elmo"))
    assert list(found) == ["dataset_reader.token_indexers.elmo"]
    assert 'add one, which may be "empty"' in found["dataset_reader.token_indexers.elmo"]


def test_a_misspelling_is_one_problem() -> None:
    assert problems(["token_characters"], reader("token_character")) == {
        f"{EMBEDDERS}.token_characters": (
            'dataset_reader.token_indexers has no indexer of this name; did you mean "token_character"?'
        )
    }


def test_the_other_reader_is_looked_at_too() -> None:
    found = problems(["a"], reader("a"), validation_dataset_reader=reader("a", "b"))
    assert list(found) == ["validation_dataset_reader.token_indexers.b"]


def test_nothing_is_known_of_a_plugins_reader() -> None:
    from nlpreg.data import DatasetReader

    @DatasetReader.register("unknown_reader")
    class Planted(DatasetReader):
        def __init__(self, token_indexers: dict[str, Any] | None = None) -> None:
            super().__init__()

    assert problems(["a"], {"type": "unknown_reader", "token_indexers": {"b": "single_id"}}) == {}


def checked(indexer: dict[str, Any], embedder: dict[str, Any]) -> Any:
    import_builtin_parts()
    return check_config(
        {
            "dataset_reader": {"type": "sequence_tagging", "token_indexers": {"c": indexer}},
            "train_data_path": {"not": "looked at"},
            "model": {
                "type": "simple_tagger",
                "text_field_embedder": {"token_embedders": {"c": embedder}},
                "encoder": {"type": "lstm", "input_size": 3, "hidden_size": 2},
            },
            "data_loader": {"batch_size": 1},
            "trainer": {},
        }
    )


@pytest.mark.parametrize(
    ("indexer", "embedding", "warns"),
    [
        ({}, {}, True),
        ({"namespace": "own"}, {}, True),
        ({"namespace": "tokens"}, {}, False),
        ({}, {"vocab_namespace": "token_characters"}, False),
        ({}, {"num_embeddings": 99}, False),
    ],
)
def test_characters_in_the_table_of_words(
    indexer: dict[str, Any], embedding: dict[str, Any], warns: bool
) -> None:
    encoder = {"type": "cnn", "embedding_dim": 2, "num_filters": 3, "ngram_filter_sizes": [2]}
    embedder = {
        "type": "character_encoding",
        "embedding": {"embedding_dim": 2, **embedding},
        "encoder": encoder,
    }
    found = checked({"type": "characters", "min_padding_length": 2, **indexer}, embedder)
    assert found.problems == []
    assert [warning.path for warning in found.warnings] == [
        f"{EMBEDDERS}.c.embedding.vocab_namespace"
    ] * warns
    table = found.config["model"]["text_field_embedder"]["token_embedders"]["c"]["embedding"]
    resolved = found.resolved_config()["model"]["text_field_embedder"]["token_embedders"]["c"]["embedding"]
    if warns:
        namespace = indexer.get("namespace", "token_characters")
        assert (
            f'not given, so it is that of dataset_reader.token_indexers.c, "{namespace}"'
            in found.warnings[0].message
        )
        assert table["vocab_namespace"] == resolved["vocab_namespace"] == namespace
    else:
        assert table == {"embedding_dim": 2, **embedding}
    assert "vocab_namespace" not in embedder["embedding"] or not warns  # the user's config is left alone


def test_the_archive_records_the_namespace_of_the_characters(tmp_path: Path) -> None:
    """What is trained has a table for the characters; archives whose config says nothing keep that of the words."""
    (tmp_path / "train.txt").write_text("a###X bcdefg###Y\n")
    config: dict[str, Any] = {
        "dataset_reader": {
            "type": "sequence_tagging",
            "token_indexers": {"c": {"type": "characters", "min_padding_length": 1}},
        },
        "train_data_path": str(tmp_path / "train.txt"),
        "model": {
            "type": "simple_tagger",
            "text_field_embedder": {
                "token_embedders": {
                    "c": {
                        "type": "character_encoding",
                        "embedding": {"embedding_dim": 2},
                        "encoder": {"type": "boe", "embedding_dim": 2},
                    }
                }
            },
            "encoder": {"type": "lstm", "input_size": 2, "hidden_size": 2},
        },
        "data_loader": {"batch_size": 1},
        "trainer": {"num_epochs": 1, "cuda_device": -1},
    }
    train_model(Params(config), tmp_path / "out")
    archive = load_archive(tmp_path / "out" / "model.tar.gz")
    name = "text_field_embedder.token_embedder_c._embedding._module.weight"
    weights = archive.model.state_dict()
    assert weights[name].shape == (9, 2)  # padding, unknown, and the letters from a to g
    path = "model.text_field_embedder.token_embedders.c.embedding.vocab_namespace"
    assert archive.config.as_flat_dict()[path] == "token_characters"
    # as AllenNLP made it: nothing in the config, and a table of the size of the words
    folder = tmp_path / "old"
    with extracted_archive(tmp_path / "out" / "model.tar.gz") as unpacked:
        shutil.copytree(unpacked, folder, ignore=shutil.ignore_patterns(".digests.json"))
    (folder / "config.json").write_text(json.dumps(config))
    torch.save({**weights, name: weights[name][:2]}, folder / "weights.th")
    (folder / "vocabulary" / "tokens.txt").write_text("@@UNKNOWN@@\n")
    assert load_archive(folder).model.state_dict()[name].shape == (2, 2)


@pytest.mark.parametrize(("by_indexer", "by_embedder"), [(20, None), (None, 20), (20, 16), (20, 20)])
def test_lengths_of_segments(by_indexer: int | None, by_embedder: int | None) -> None:
    kind = {"type": "pretrained_transformer_mismatched", "model_name": "not-there"}
    found = checked({**kind, "max_length": by_indexer}, {**kind, "max_length": by_embedder}).problems
    path = f"{EMBEDDERS}.c.max_length"
    messages = [problem.message for problem in found if problem.path == path]
    assert len(messages) == (by_indexer != by_embedder)
    assert all("dataset_reader.token_indexers.c" in message for message in messages)
