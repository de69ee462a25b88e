import argparse
import copy
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.train import TrainModel, train_model, train_model_from_args, train_model_from_file
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.data import Vocabulary
from nlpreg.models import Model, load_archive

Config = dict[str, Any]


def changed(config: Config, **changes: Any) -> Config:
    """A copy with values replaced; `__` in a name leads into an object, and None removes the key."""
    config = copy.deepcopy(config)
    for path, value in changes.items():
        *steps, last = path.split("__")
        section = config
        for step in steps:
            section = section[step]
        if value is None:
            section.pop(last, None)
        else:
            section[last] = value
    return config


def test_what_a_run_leaves(tagger: Config, train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = train(changed(tagger, evaluation={"type": "simple"}))
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "config.json",
        "config.resolved.json",
        "meta.json",
        "vocabulary",
        "out.log",
        "metrics_epoch_0.json",
        "metrics_epoch_1.json",
        "best.th",
        "metrics.json",
        "model.tar.gz",
    }
    config = json.loads((folder / "config.json").read_text())
    assert config == changed(tagger, evaluation={"type": "simple"})
    assert list(config)[:2] == ["dataset_reader", "model"] and next(iter(config["model"])) == "type"
    resolved = json.loads((folder / "config.resolved.json").read_text())
    assert resolved["trainer"]["num_epochs"] == 2 and resolved["trainer"]["optimizer"]["betas"] == [
        0.9,
        0.999,
    ]
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["seeds"] == {"random_seed": 13370, "numpy_seed": 1337, "pytorch_seed": 133}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["epoch"] == 1 and "best_validation_accuracy" in metrics
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0] == "reading the data"
    assert lines[1].startswith("train data:") and "5 instances, 3 batches" in lines[1]
    assert "vocabulary: labels 4, tokens 15" in lines
    assert any(line.startswith("model: SimpleTagger, ") for line in lines)
    assert any(line.split()[0:1] == ["2/2"] for line in lines)
    assert any(line.split()[:1] == ["accuracy"] for line in lines)
    assert lines[-2] == f"model: {folder}/model.tar.gz"
    assert re.fullmatch(rf"time 0:\d\d:\d\d; metrics, log and checkpoints: {folder}/", lines[-1])
    assert not any("trainer.num_epochs = " in line for line in lines)  # only in the log
    assert shown.err == f"checking {folder.with_suffix('.json')}\n"


def test_quiet(tagger: Config, train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = train(tagger, "-q")
    assert capsys.readouterr() == ("", "")
    assert "Epoch 1/1" in (folder / "out.log").read_text()


def test_the_archive_holds_the_best_weights(tagger: Config, train: Any) -> None:
    folder = train(tagger)
    archive = load_archive(folder / "model.tar.gz")
    best = torch.load(folder / "best.th", weights_only=True)
    assert all(torch.equal(value, best[name]) for name, value in archive.model.state_dict().items())
    assert archive.config.as_dict(quiet=True) == tagger


def test_the_same_run_twice_gives_the_same_weights(tagger: Config, train: Any) -> None:
    first, second = train(tagger, name="first"), train(tagger, name="second")
    weights = [torch.load(folder / "best.th", weights_only=True) for folder in (first, second)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_functions_return_the_model(tagger: Config, tmp_path: Path) -> None:
    model = train_model(Params(copy.deepcopy(tagger)), tmp_path / "a")
    assert isinstance(model, Model)
    (tmp_path / "c.json").write_text(json.dumps(tagger))
    model = train_model_from_file(
        tmp_path / "c.json", tmp_path / "b", {"trainer.num_epochs": 1}, return_model=True
    )
    assert isinstance(model, Model)
    assert not (tmp_path / "b" / "metrics_epoch_1.json").exists()
    assert train_model_from_file(str(tmp_path / "c.json"), tmp_path / "d", return_model=False) is None


def test_a_dry_run_trains_nothing(tagger: Config, train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = train(tagger, "--dry-run")
    names = {path.name for path in folder.iterdir()}
    assert "vocabulary" in names and not names & {"best.th", "model.tar.gz", "metrics.json"}
    assert "dry run" in capsys.readouterr().out


def test_overrides_are_kept(tagger: Config, train: Any) -> None:
    folder = train(tagger, "-o", '{"trainer.num_epochs": 1, "model.encoder.hidden_size": 3}')
    config = json.loads((folder / "config.json").read_text())
    assert config["trainer"]["num_epochs"] == 1 and config["model"]["encoder"]["hidden_size"] == 3


def test_evaluation_on_test_data(tagger: Config, train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    config = changed(tagger, test_data_path=tagger["validation_data_path"], evaluate_on_test=True)
    metrics = json.loads((train(config) / "metrics.json").read_text())
    assert metrics["test_accuracy"] == metrics["best_validation_accuracy"]
    assert any(
        line.split() == ["training", "validation", "test"] for line in capsys.readouterr().out.splitlines()
    )


def test_test_data_without_evaluation_only_adds_words(tagger: Config, train: Any, tmp_path: Path) -> None:
    (tmp_path / "test.txt").write_text("zebra###NOUN runs###VERB\n")
    folder = train(changed(tagger, test_data_path=str(tmp_path / "test.txt")))
    assert "test_accuracy" not in json.loads((folder / "metrics.json").read_text())
    assert "zebra" in (folder / "vocabulary" / "tokens.txt").read_text()
    folder = train(
        changed(tagger, test_data_path=str(tmp_path / "test.txt"), datasets_for_vocab_creation=["train"]),
        name="two",
    )
    assert "zebra" not in (folder / "vocabulary" / "tokens.txt").read_text()


def test_more_files_in_the_archive(tagger: Config, train: Any) -> None:
    folder = train(changed(tagger, include_in_archive=["metrics_epoch_*.json"]))
    import tarfile

    with tarfile.open(folder / "model.tar.gz") as tar:
        assert {"metrics_epoch_0.json", "metrics_epoch_1.json"} <= set(tar.getnames())


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown model": ({"model__type": "simple_taggr"}, "simple_tagger"),
    "unknown argument": ({"model__encodr": 3}, "model.encodr"),
    "wrong type": ({"trainer__num_epochs": "3"}, "trainer.num_epochs"),
    "inside a lazy part": ({"trainer__optimizer": {"type": "adamm"}}, "trainer.optimizer.type"),
    "missing argument": ({"model__encoder": None}, "model.encoder"),
    "missing section": ({"dataset_reader": None}, "dataset_reader"),
    "unknown top-level key": ({"trainerr": {}}, "trainerr"),
    "missing data": ({"train_data_path": "/nowhere/x.txt"}, "/nowhere/x.txt"),
    "reserved file": ({"include_in_archive": ["best.th"]}, "include_in_archive"),
    "unknown data set": (
        {"datasets_for_vocab_creation": ["tets"]},
        "'tets': there is no such data set; did you mean",
    ),
    "no GPU": ({"trainer__cuda_device": 77}, "GPU 77"),
    "one process": ({"distributed": {"cuda_devices": [-1]}}, "distributed.cuda_devices"),
    "two faults": ({"model__encodr": 3, "trainer__num_epoch": 2}, "num_epoch"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_explained(
    case: str, tagger: Config, train: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, message = MISTAKES[case]
    train(changed(tagger, **changes), status=2)
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err


def test_nothing_is_deleted_for_a_wrong_config(tagger: Config, train: Any) -> None:
    folder = train(tagger, "--dry-run")
    (folder / "best.th").write_text("")
    (folder / "thesis.txt").write_text("")
    train(changed(tagger, model__type="nothing"), "-f", status=2)
    assert (folder / "best.th").exists()
    train(tagger, "-f", "--dry-run")
    assert not (folder / "best.th").exists() and (folder / "thesis.txt").exists()


def test_what_a_killed_process_left_is_removed(tagger: Config, train: Any, tmp_path: Path) -> None:
    """By runs of every trainer, also of those that have no checkpoints."""
    tagger.update(model={"type": "tnt_tagger"}, trainer={"type": "counting"})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".best.th.abcd1234.tmp").write_text("half a file")
    assert not list(train(tagger, "-q").glob(".*.tmp"))


FIRST_BATCH = {
    "trainer": {"validation_metric": "+f1"},
    "model": {"label_namespace": "tags"},
    "data_loader": {"batch_size": 9, "drop_last": True},
}


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("section", FIRST_BATCH)
def test_nothing_is_deleted_for_what_a_first_batch_shows(
    section: str, tagger: Config, train: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = train(tagger, "-q")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    tagger[section].update(FIRST_BATCH[section])
    train(tagger, "-f", status=2)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert "out.log" not in capsys.readouterr().err
    train(tagger, "-f", "--dry-run", status=2)
    assert (folder / "model.tar.gz").read_bytes() == before[folder / "model.tar.gz"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "out.jsonnet"),
        ("{ a: std.extVar('NLPREG_TEST_UNSET') }", "NLPREG_TEST_UNSET"),
        ("[1]", "expected an object"),
        ("{ a: error 'my own words' }", "my own words"),
        ("{ a: import 'nothing.libsonnet' }", "nothing.libsonnet"),
    ],
    ids=["syntax", "unset variable", "no object", "error", "import"],
)
def test_bad_jsonnet(content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out.jsonnet").write_text(content)
    assert main("nlpreg", ["train", str(tmp_path / "out.jsonnet"), "-s", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.jsonnet"], "nothing.jsonnet: there is no such file"),
        (["."], "this is a folder"),
        (["c.json", "-r", "-f"], "give only one of them"),
        (["c.json", "-r"], "out"),
        (["c.json", "-o", "{"], "overrides"),
        (["c.json", "-o", '{"nothing.at.all": 1}'], "nothing.at.all"),
    ],
)
def test_bad_command_lines(
    words: list[str],
    message: str,
    tagger: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.json").write_text(json.dumps(tagger))
    assert main("nlpreg", ["train", *words, "-s", "out"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use(
    tagger: Config, train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "something").write_text("")
    train(tagger, status=2)
    assert str(tmp_path / "out") in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    train(tagger, name="file", status=2)


BAD_DATA = {
    "empty": (b"", "train.txt"),
    "blank lines": (b"\n\n", "train.txt"),
    "not UTF-8": (b"the###DET caf\xe9###NOUN\n", "UTF-8"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data(
    case: str, tagger: Config, train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, message = BAD_DATA[case]
    (tmp_path / "train.txt").write_bytes(content)
    train(tagger, status=2)
    shown = capsys.readouterr().err
    assert message in shown and "train.txt" in shown and "Traceback" not in shown


def test_recover_goes_on(tagger: Config, train: Any) -> None:
    whole = train(tagger, name="whole")
    folder = train(tagger)
    for path in [*folder.glob("*_e2_b0*"), *folder.glob("metrics*"), folder / "model.tar.gz"]:
        path.unlink()
    train(tagger, "-r")
    first, second = (torch.load(run / "best.th", weights_only=True) for run in (whole, folder))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    metrics = [json.loads((run / "metrics.json").read_text()) for run in (whole, folder)]
    assert metrics[0]["validation_loss"] == metrics[1]["validation_loss"]


def test_recover_with_another_config(tagger: Config, train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    train(tagger, "--dry-run")
    train(changed(tagger, random_seed=7), "-r", status=2)
    assert "random_seed" in capsys.readouterr().err


def test_a_run_of_before_namespaces_were_filled_in_goes_on(tagger: Config, train: Any) -> None:
    """Its table of characters has the size of the words' namespace, as AllenNLP makes it."""
    characters = {
        "type": "character_encoding",
        "embedding": {"embedding_dim": 3},
        "encoder": {"type": "boe", "embedding_dim": 3},
    }
    indexers = {"tokens": "single_id", "c": {"type": "characters", "min_padding_length": 1}}
    tagger["dataset_reader"]["token_indexers"] = indexers
    tagger["model"]["text_field_embedder"]["token_embedders"]["c"] = characters
    tagger["model"]["encoder"]["input_size"] = 7
    many_words = " ".join(f"{letter}{other}###NOUN" for letter in "abcde" for other in "abcde")
    (Path(tagger["train_data_path"])).write_text(many_words + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nlpreg.commands.check.name_check.missing_namespaces", lambda experiment: [])
        folder = train(tagger)
    for path in [*folder.glob("*_e2_b0*"), folder / "model.tar.gz"]:
        path.unlink()
    train(tagger, "-r")
    assert "vocab_namespace" not in (folder / "config.json").read_text()
    weights = torch.load(folder / "best.th", weights_only=True)
    vocab = Vocabulary.from_files(folder / "vocabulary")
    (table,) = (value for name, value in weights.items() if name.endswith("embedding._module.weight"))
    assert len(table) == vocab.get_vocab_size("tokens") != vocab.get_vocab_size("token_characters")
    train(tagger, "-f")
    assert "vocab_namespace" in (folder / "config.json").read_text()


def test_recover_with_other_data_changes_nothing(
    tagger: Config, train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = train(tagger)

    def files() -> dict[Path, bytes]:
        return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "out.log"}

    before, text = files(), tmp_path / "train.txt"
    for name in ("model_state_e2_b0.th", "training_state_e2_b0.th"):
        assert folder / name in before
    text.write_text(text.read_text().replace("the", "a-new-word"))
    train(tagger, "-r", status=2)
    assert "vocabulary: the data give a different vocabulary" in capsys.readouterr().err
    assert files() == before


def test_recover_without_the_vocabulary(
    tagger: Config, train: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = train(tagger)
    shutil.rmtree(folder / "vocabulary")
    train(tagger, "-r", status=2)
    assert "vocabulary: is missing, and the weights of the run belong to it" in capsys.readouterr().err


def test_recover_with_other_data_before_there_is_a_checkpoint(
    tagger: Config, train: Any, tmp_path: Path
) -> None:
    folder = train(tagger, "--dry-run")
    (tmp_path / "train.txt").write_text("word###NOUN\n")
    train(tagger, "-r")
    assert "word" in (folder / "vocabulary" / "tokens.txt").read_text().split()


def test_another_implementation(tagger: Config, train: Any) -> None:
    calls = []

    class Mine(TrainModel):
        def run(self) -> dict[str, Any]:
            calls.append("run")
            return super().run()

        def finish(self, metrics: dict[str, Any]) -> None:
            calls.append("finish")
            super().finish(metrics)

    TrainModel.register("mine", constructor="from_partial_objects")(Mine)
    train(changed(tagger, type="mine"))
    assert calls == ["run", "finish"]


def test_arguments_of_other_programs(tagger: Config, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps(tagger))
    args = argparse.Namespace(
        param_path=str(tmp_path / "c.json"),
        serialization_dir=str(tmp_path / "out"),
        overrides="",
        recover=False,
        force=False,
        node_rank=0,
        include_package=[],
        dry_run=True,
        file_friendly_logging=False,
    )
    train_model_from_args(args)
    assert (tmp_path / "out" / "vocabulary").is_dir()


def test_no_test_data(tagger: Config, tmp_path: Path) -> None:
    params = Params(changed(tagger, datasets_for_vocab_creation=["test"]))
    with pytest.raises(ConfigurationError, match=r"'test': there is no test_data_path \(there are: train"):
        TrainModel.from_params(params, serialization_dir=str(tmp_path), local_rank=0)


def test_anomalies_are_looked_for_on_request(tagger: Config, train: Any) -> None:
    found = []

    class Looking(TrainModel):
        def run(self) -> dict[str, Any]:
            found.append(self.trainer._detect_anomaly)
            return super().run()

    TrainModel.register("looking", constructor="from_partial_objects")(Looking)
    folder = train(changed(tagger, type="looking"), "--detect-anomaly")
    train(changed(tagger, type="looking"), "-r")
    assert found == [True, False]
    assert "detect_anomaly" not in (folder / "config.json").read_text()


def logged(run: Path) -> bool:
    return any((run / "log" / "train").iterdir())


def test_a_callback_of_the_command_line(
    tagger: Config, train: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    callback = json.dumps({"type": "tensorboard", "summary_interval": 1})
    run = train(tagger, "--callback", callback)
    assert logged(run)
    assert "callbacks" not in json.loads((run / "config.json").read_text())["trainer"]
    # the run is resumed without it, or with another one
    train(changed(tagger, trainer__num_epochs=3), "-r")
    train(changed(tagger, trainer__num_epochs=4), "-r", "--callback", "track_epoch_callback")


def test_a_callback_of_each_run_of_a_group(tagger: Config, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "config.json").write_text(json.dumps(changed(tagger, trainer__num_epochs=1)))
    words = ["train", str(tmp_path / "config.json"), "-s", str(tmp_path / "out"), "-q", "--seeds", "2"]
    assert main("nlpreg", [*words, "--callback", "tensorboard"]) == 0
    assert all(logged(tmp_path / "out" / f"seed_{seed}") for seed in (1, 2))


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        ("tensorbord", "did you mean"),
        ('{"type": "tensorboard", "sumary_interval": 1}', "sumary_interval"),
        ('{"type": ', "--callback: .* is not valid JSON"),
        ("wandb", re.escape("pip install 'nlpreg[wandb]'")),
    ],
)
@pytest.mark.parametrize("command", ["train", "train --seeds 2", "tune"])
def test_mistakes_in_a_callback_of_the_command_line(
    command: str,
    callback: str,
    message: str,
    tagger: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    (tmp_path / "config.json").write_text(json.dumps(tagger))
    (tmp_path / "space.json").write_text('{"trainer.num_epochs": [1, 2]}')
    name, *options = command.split()
    space = [str(tmp_path / "space.json")] if name == "tune" else []
    words = [name, str(tmp_path / "config.json"), *space, "-s", str(tmp_path / "out"), *options]
    assert main("nlpreg", [*words, "--callback", callback]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()
