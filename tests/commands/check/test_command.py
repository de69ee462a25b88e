import json
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.txt").write_text("a###B\n")
    value = {
        "dataset_reader": "sequence_tagging",
        "train_data_path": "train.txt",
        "model": "hmm_tagger",
        "data_loader": {"batch_size": 1},
        "trainer": {"cuda_device": -1},
    }
    (tmp_path / "c.json").write_text(json.dumps(value))
    return value


def test_one_line_if_all_is_well(config: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["check", "c.json", "-s", "out"]) == 0
    assert capsys.readouterr().out == "c.json: no problems found\n"
    assert not Path("out").exists()


def test_the_resolved_config_is_json(config: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["check", "c.json", "--resolved"]) == 0
    resolved = json.loads(capsys.readouterr().out)
    assert resolved["model"]["type"] == "hmm_tagger"
    assert list(resolved)[:2] == ["dataset_reader", "model"]


def test_problems_are_printed(config: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    overrides = '{"trainer.patience": "3", "model.nonsense": 1, "model": {"type": "hmm_tagger"}}'
    with pytest.raises(SystemExit) as end:
        main("nlpreg", ["check", "c.json", "-o", overrides])
    assert end.value.code == 2
    output = capsys.readouterr()
    assert "'model.nonsense' leads to nothing" in output.out
    assert output.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.json"], "nowhere.json: there is no such file"),
        (["."], "this is a folder, expected a file"),
        (["c.json", "-o", "[]"], "expected an object"),
        (["c.json", "-o", "{"], "is not valid Jsonnet"),
    ],
)
def test_what_cannot_be_checked(
    arguments: list[str], message: str, config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("nlpreg", ["check", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_train_reports_the_same_before_it_reads(
    config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("train.txt").write_text("no tags at all\n")  # reading it would be an error
    overrides = '{"trainer.patience": "3", "trainer.num_epoch": 1}'
    assert main("nlpreg", ["train", "c.json", "-s", "out", "-o", overrides]) == 2
    error = capsys.readouterr().err
    assert "c.json: 2 problems" in error
    assert "trainer.patience  (in the overrides)" in error and 'did you mean "num_epochs"' in error
    assert not Path("out").exists()
