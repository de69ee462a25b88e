import json
from pathlib import Path

import pytest
import torch

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.diff import (
    MISSING,
    Insert,
    Keep,
    Modify,
    Remove,
    checkpoint_diff,
    config_differences,
    read_checkpoint,
)
from nlpreg.common.checks import ConfigurationError
from nlpreg.models.archival import pack


def test_checkpoint_diff() -> None:
    first = {"a": torch.zeros(2), "b": torch.ones(3), "c": torch.zeros(1), "d": torch.zeros(2)}
    second = {
        "a": torch.zeros(2),
        "new": torch.zeros(4),
        "b": torch.tensor([1.0, 1.0, 4.0]),
        "d": torch.zeros(5),
    }
    steps = checkpoint_diff(first, second, scale=2.0, threshold=1e-5)
    assert steps == [
        Keep("a", (2,)),
        Insert("new", (4,)),
        Modify("b", (3,), pytest.approx(2 * (9 / 3) ** 0.5)),  # root of the mean of 0, 0, 9
        Remove("c", (1,)),
        Remove("d", (2,)),
        Insert("d", (5,)),
    ]


def test_small_distances_count_as_the_same() -> None:
    first, second = {"a": torch.zeros(2)}, {"a": torch.full((2,), 1e-3)}
    assert checkpoint_diff(first, second, 1.0, 1e-2) == [Keep("a", (2,))]
    assert isinstance(checkpoint_diff(first, second, 100.0, 1e-2)[0], Modify)
    assert isinstance(checkpoint_diff(first, {"a": torch.full((2,), float("nan"))}, 1.0, 1e-2)[0], Modify)
    assert checkpoint_diff({"e": torch.zeros(0)}, {"e": torch.zeros(0)}, 1.0, 0.0) == [Keep("e", (0,))]


def test_weights_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"module.a": torch.zeros(2, 3), "module.b": torch.zeros(1)}, tmp_path / "1.th")
    torch.save({"a": torch.zeros(2, 3), "b": torch.ones(1)}, tmp_path / "weights.th")
    pack(str(tmp_path / "2.tar.gz"), [(str(tmp_path / "weights.th"), "weights.th")])
    arguments = ["diff", str(tmp_path / "1.th"), str(tmp_path / "2.tar.gz"), "--strip-prefix-1", "module."]
    assert main("nlpreg", arguments) == 0
    assert capsys.readouterr().out == " a, shape = (2, 3)\n!b, shape = (1,), distance = 1.0000\n"


def test_files_in_archives(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "best.th")
    pack(str(tmp_path / "x.tar.gz"), [(str(tmp_path / "best.th"), "folder/best.th")])
    assert list(read_checkpoint(f"{tmp_path}/x.tar.gz!folder/best.th")) == ["a"]
    with pytest.raises(ConfigurationError, match="no name of a parameter starts with 'x'"):
        read_checkpoint(f"{tmp_path}/best.th", "x")


def test_config_differences() -> None:
    first = {"a": 1, "b": {"c": [1, 2, {"d": True}]}, "only": None}
    second = {"a": 1, "b": {"c": [1, 3, {"d": 1}, "more"]}, "new": {}}
    assert config_differences(first, second) == [
        ("b.c.1", 2, 3),
        ("b.c.2.d", True, 1),
        ("b.c.3", MISSING, "more"),
        ("only", None, MISSING),
        ("new", MISSING, {}),
    ]


def test_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, rate, loss in (("one", 0.1, 2.5), ("two", 0.01, 2.25)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"trainer": {"lr": rate, "epochs": 3}}))
        (folder / "metrics.json").write_text(json.dumps({"loss": loss, "duration": "0:01"}))
    assert main("nlpreg", ["diff", str(tmp_path / "one"), str(tmp_path / "two")]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["trainer.lr", "0.1", "0.01"] in shown
    assert ["loss", "2.5000", "2.2500", "-0.2500"] in shown
    assert not any("epochs" in line for line in shown)


def test_two_configs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jsonnet").write_text("{ x: 1 + 1, y: 'ü' }")
    (tmp_path / "b.json").write_text('{"x": 2, "y": "ü"}')
    assert main("nlpreg", ["diff", str(tmp_path / "a.jsonnet"), str(tmp_path / "b.json")]) == 0
    assert capsys.readouterr().out == "config: no difference\n"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a.json", "w.th"), "different kinds"),
        (("a.json", "nothing"), "there is no such"),
        (("a.json", "."), "is not a run"),
    ],
)
def test_mistakes(
    names: tuple[str, str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "w.th").write_text("")
    assert main("nlpreg", ["diff", *(str(tmp_path / name) for name in names)]) == 2
    assert message in capsys.readouterr().err
