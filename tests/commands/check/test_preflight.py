from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.check.checking import check_config
from nlpreg.commands.check.preflight import output_folder_problems
from nlpreg.common.plugins import import_builtin_parts


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import_builtin_parts()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.txt").write_text("a###B\n")
    (tmp_path / "more").mkdir()
    return tmp_path


def problems(**changes: Any) -> dict[str, str]:
    config = {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": "train.txt",
        "model": "hmm_tagger",
        "data_loader": {"batch_size": 1},
        "trainer": {},
        **changes,
    }
    return {problem.path: problem.message for problem in check_config(config).problems}


@pytest.mark.parametrize(
    "path",
    [
        "train.txt",
        "./train.txt",
        "more",
        "*.txt",
        "https://host/train.txt",
        "s3://bucket/x",
        "train.txt!inner",
        "hf://datasets/x",
        {"any": "thing"},
        ["train.txt", "more"],
    ],
)
def test_paths_that_are_there_or_cannot_be_known(folder: Path, path: Any) -> None:
    assert problems(train_data_path=path) == {}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("trian.txt", "there is no file trian.txt; did you mean 'train.txt', in the same folder?"),
        ("nowhere/train.txt", "the folder"),
        ("drain.tsv", "did you mean 'train.txt'"),
        ("moor.txt", "there is no file moor.txt; did you mean 'more'"),
        (5, "expected a path, found 5 (a number)"),
        ("*.nothing", "no file matches *.nothing"),
        ("nothing.zip!inner", "there is no file nothing.zip!inner"),
    ],
)
def test_paths_that_are_not_there(folder: Path, path: str, message: str) -> None:
    assert message in problems(train_data_path=path)["train_data_path"]


def test_an_empty_list(folder: Path) -> None:
    assert problems(train_data_path=[])["train_data_path"].startswith("expected a path or a list of paths")


def test_each_of_a_list(folder: Path) -> None:
    assert list(problems(train_data_path=["train.txt", "tarin.txt"])) == ["train_data_path.1"]


def test_validation_and_test_data(folder: Path) -> None:
    assert list(problems(validation_data_path="x", test_data_path="y")) == [
        "validation_data_path",
        "test_data_path",
    ]


def test_other_readers_may_take_anything(folder: Path) -> None:
    from nlpreg.data import DatasetReader

    @DatasetReader.register("planted_any")
    class Any_(DatasetReader):
        pass

    assert problems(dataset_reader={"type": "planted_any"}, train_data_path="a table of a data base") == {}


def test_files_that_parts_will_open(folder: Path) -> None:
    model = {
        "type": "simple_tagger",
        "text_field_embedder": {
            "token_embedders": {
                "tokens": {"type": "embedding", "embedding_dim": 3, "pretrained_file": "vectors.txt"}
            }
        },
        "encoder": {"type": "pass_through", "input_dim": 3},
    }
    found = problems(model=model, vocabulary={"type": "from_files", "directory": "vocab"})
    assert sorted(found) == [
        "model.text_field_embedder.token_embedders.tokens.pretrained_file",
        "vocabulary.directory",
    ]


def test_an_archive_to_take_a_part_from(folder: Path) -> None:
    section = {"archive_file": "old/model.tar.gz", "module_path": "encoder"}
    embedder = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 3}}}
    model = {"type": "simple_tagger", "text_field_embedder": embedder, "encoder": {"_pretrained": section}}
    found = problems(model=model)
    assert list(found) == ["model.encoder._pretrained.archive_file"]
    section["modul_path"] = section.pop("module_path")
    assert "module_path" in problems(model=model)["model.encoder._pretrained.modul_path"]


def test_archives_of_character_language_models(folder: Path) -> None:
    (folder / "characters.tar.gz").touch()
    features = {
        "type": "character_language_model",
        "archive_files": ["characters.tar.gz", "character.tar.gz"],
    }
    model = {
        "type": "simple_tagger",
        "text_field_embedder": {"token_embedders": {"tokens": features}},
        "encoder": {"type": "pass_through", "input_dim": 3},
    }
    found = problems(model=model)
    path = "model.text_field_embedder.token_embedders.tokens.archive_files.1"
    assert path in found and "did you mean 'characters.tar.gz'" in found[path]


def test_devices(folder: Path) -> None:
    found = problems(trainer={"cuda_device": 97}, distributed={"cuda_devices": [-1, 98]})
    assert set(found) == {"trainer.cuda_device", "distributed.cuda_devices.1"}
    assert "GPU 97" in found["trainer.cuda_device"]


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (-1, ""),
        ("cpu", ""),
        ("cuda:97", "GPU 97"),
        ("0", "write 0 without quotes"),
        ("gpu", 'a name such as "cuda:0", found "gpu"'),
        ([0], "found [0]; write 0"),
        ([0, 1], '"distributed": {"cuda_devices": [0, 1]}'),
    ],
)
def test_spellings_of_devices(device: Any, message: str, folder: Path) -> None:
    found = problems(trainer={"cuda_device": device})
    assert message in found.get("trainer.cuda_device", "")
    assert bool(found) is bool(message)


def test_output_folders(folder: Path) -> None:
    assert output_folder_problems("new/folder") == []
    assert output_folder_problems("more") == []
    assert "is a file" in output_folder_problems("train.txt/out")[0].message
