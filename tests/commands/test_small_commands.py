"""build-vocab, count-instances, find-lr, test-install, cached-path and the pointers to other tools."""

import importlib.util
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.find_learning_rate import (
    _smooth,
    find_learning_rate_model,
    search_learning_rate,
    suggested_rate,
)
from nlpreg.commands.train import TrainModel
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.data import Vocabulary

Config = dict[str, Any]


@pytest.fixture
def config_file(tagger: Config, tmp_path: Path) -> str:
    (tmp_path / "c.json").write_text(json.dumps(tagger))
    return str(tmp_path / "c.json")


def run(*words: object, status: int = 0) -> None:
    assert main("nlpreg", [str(word) for word in words]) == status


def test_build_vocab(config_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "vocabulary.tar.gz"
    run("build-vocab", config_file, output)
    with tarfile.open(output) as tar:
        names = {"tokens.txt", "labels.txt", "non_padded_namespaces.txt", ".digests.json"}
        assert set(tar.getnames()) == names
    shown = capsys.readouterr().out
    section = json.loads("{" + shown.split("\n", 2)[2] + "}")["vocabulary"]
    assert section == {"type": "from_files", "directory": str(output)}
    vocab = Vocabulary.from_params(Params(section))
    assert vocab.get_token_index("apple") > 1
    run("build-vocab", config_file, output, status=2)
    assert "exists" in capsys.readouterr().err
    run("build-vocab", config_file, output, "-f", "-o", '{"vocabulary": {"min_count": {"tokens": 2}}}')
    assert Vocabulary.from_files(str(output)).get_token_index("apple") == 1  # unknown: it occurs once


def test_build_vocab_writes_archives_only(config_file: str, tmp_path: Path) -> None:
    run("build-vocab", config_file, tmp_path / "vocabulary", status=2)


def test_count_instances(config_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("count-instances", config_file)
    assert capsys.readouterr().out == "5\n"
    run("count-instances", config_file, "-o", '{"dataset_reader.max_instances": 3}')
    assert capsys.readouterr().out == "3\n"


class NoBatches(list[Any]):
    def set_target_device(self, device: torch.device) -> None:
        pass


def test_suggested_rates() -> None:
    rates = [10.0**exponent for exponent in range(-5, 2)]
    assert suggested_rate(rates, [3.0, 2.9, 2.7, 1.5, 1.0, 4.0, 9.0]) == pytest.approx(
        1e-2
    )  # from 2.7 to 1.0
    assert suggested_rate(rates, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]) is None
    assert suggested_rate([], []) is None


def test_learning_rates_grow(tagger: Config, tmp_path: Path) -> None:
    def trainer() -> Any:
        torch.manual_seed(0)
        return TrainModel.from_params(
            Params(json.loads(json.dumps(tagger))), serialization_dir=str(tmp_path), local_rank=0
        ).trainer

    rates, losses = search_learning_rate(trainer(), 1e-4, 1.0, num_batches=20)
    assert len(rates) == len(losses) == 21
    assert rates[0] == pytest.approx(1e-4) and rates[-1] == pytest.approx(1.0)
    assert rates[1] / rates[0] == pytest.approx(rates[20] / rates[19])
    rates, _ = search_learning_rate(trainer(), 0.0, 1.0, num_batches=20, linear_steps=True)
    assert rates[1] - rates[0] == pytest.approx(0.05)
    # a rate that makes everything worse, and a factor that stops at once when there is a best one
    _, losses = search_learning_rate(trainer(), 1e-3, 1e3, num_batches=40, stopping_factor=1e-6)
    assert len(losses) == 12
    with pytest.raises(ConfigurationError, match="expected more than 10, got 10"):
        search_learning_rate(trainer(), num_batches=10)
    empty = trainer()
    empty.data_loader = NoBatches()
    with pytest.raises(ConfigurationError, match="there is no batch in the training data"):
        search_learning_rate(empty)
    tagger["trainer"].update(use_amp=True, grad_norm=0.1)
    assert len(search_learning_rate(trainer(), num_batches=11)[1]) == 12


def test_smoothing() -> None:
    assert _smooth([3.0, 3.0, 3.0]) == pytest.approx([3.0] * 3)
    assert _smooth([1.0, 2.0, 6.0]) == pytest.approx([1.5, 3.0, 4.0])
    # the fall stays where it is: at the rate 0.01
    rates = [10.0 ** (-5 + 6 * step / 100) for step in range(101)]
    losses = [2.0 - 1.5 / (1 + (0.01 / rate) ** 3) + rate for rate in rates]
    assert suggested_rate(rates, _smooth(losses)) == pytest.approx(0.01, rel=0.2)


needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)


@needs_matplotlib
@pytest.mark.filterwarnings("ignore")
def test_find_lr(config_file: str, tmp_path: Path) -> None:
    run("find-lr", config_file, "-s", tmp_path / "lr", "--num-batches", 11)
    assert (tmp_path / "lr" / "lr-losses.png").stat().st_size > 1000
    assert len(json.loads((tmp_path / "lr" / "lr-losses.json").read_text())) == 12


def test_find_lr_works_without_matplotlib(
    config_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # importing it fails
    run("find-lr", config_file, "-s", tmp_path / "lr", "--num-batches", 20)
    assert "learning rate" in capsys.readouterr().err
    assert not list((tmp_path / "lr").glob("*.png"))
    run("find-lr", config_file, "-s", tmp_path / "lr", "--num-batches", 11, "-f")


def test_find_lr_over_no_batches(
    config_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loader = {"batch_size": 9, "drop_last": True, "max_instances_in_memory": 9}
    overrides = json.dumps({"data_loader": loader})
    run("find-lr", config_file, "-s", tmp_path / "lr", "-o", overrides, status=2)
    assert "there is no batch in the training data" in capsys.readouterr().err


def test_find_lr_mistakes(
    config_file: str, tagger: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    run("find-lr", config_file, "-s", tmp_path / "lr", "--num-batches", 3, status=2)
    assert "--num-batches" in capsys.readouterr().err
    for options, message in (
        (["--start-lr", 0], "expected rates that grow, from one above 0"),
        (["--start-lr", 1, "--end-lr", 0.1, "--linear"], "expected rates that grow"),
    ):
        run("find-lr", config_file, "-s", tmp_path / "lr", *options, status=2)
        assert message in capsys.readouterr().err
    run("find-lr", config_file, "-s", tmp_path, status=2)
    assert "is not empty; give another one, or -f" in capsys.readouterr().err
    monkeypatch.setattr("nlpreg.common.imports.optional", lambda *names, **options: None)
    with pytest.raises(AssertionError, match="find-lr tries learning rates in one process"):
        find_learning_rate_model(Params({**tagger, "distributed": {"cuda_devices": [-1, -1]}}), tmp_path)
    tagger["trainer"] = {"type": "no_op"}
    with pytest.raises(ConfigurationError, match="find-lr needs 'gradient_descent', got NoOpTrainer"):
        find_learning_rate_model(Params(tagger), tmp_path / "lr")


def test_test_install(capsys: pytest.CaptureFixture[str]) -> None:
    run("test-install")
    assert "everything could be imported" in capsys.readouterr().out


def test_cached_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.txt").write_text("")
    run("cached-path", tmp_path / "x.txt", "-d", tmp_path / "cache")
    assert capsys.readouterr().out == f"{tmp_path}/x.txt\n"
    run("cached-path", "--inspect", "-d", tmp_path / "cache")
    capsys.readouterr()
    run("cached-path", "--remove", "*", "-d", tmp_path / "cache")
    assert capsys.readouterr().out.startswith("freed 0")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--inspect", "--remove", "*"], "only one of"),
        (["--inspect", "-x"], "-x and -f"),
        (["--remove"], "name what to remove"),
        (["/nowhere/x"], "/nowhere/x"),
    ],
)
def test_cached_path_mistakes(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("cached-path", "-d", tmp_path, *words, status=2)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["checklist", "m.tar.gz", "sentiment"], "from_path('m.tar.gz').predict_batch_json"),
    ],
)
def test_what_is_not_built_in_says_so(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*words, status=2)
    assert message in capsys.readouterr().err
