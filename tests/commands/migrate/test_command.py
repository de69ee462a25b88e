from pathlib import Path

import pytest

from nlpreg.commands.command_line import exit_status as main


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "c.jsonnet"
    path.write_text("{\n  trainer: {\n    shuffle: true,\n    batch_callbacks: [],\n  },\n}\n")
    return path


def test_without_w_the_differences_are_shown(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = config.read_text()
    assert main("nlpreg", ["migrate", "c.jsonnet"]) == 0
    output = capsys.readouterr().out
    assert "-    shuffle: true,\n" in output
    assert "would be done:\n  c.jsonnet:3: trainer.shuffle was removed" in output
    assert "left to you:\n  c.jsonnet:4: trainer.batch_callbacks" in output
    assert "1 file would change; -w writes them" in output
    assert config.read_text() == before


def test_with_w_the_file_is_rewritten(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["migrate", "-w", "c.jsonnet"]) == 0
    assert config.read_text() == "{\n  trainer: {\n    batch_callbacks: [],\n  },\n}\n"
    assert "\ndone:\n" in capsys.readouterr().out
    assert main("nlpreg", ["migrate", "c.jsonnet"]) == 0
    assert "nothing to rewrite" in capsys.readouterr().out


def test_a_path_that_is_not_there(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["migrate", "nowhere"]) == 2
    assert "nowhere: there is no such file or folder" in capsys.readouterr().err
