from pathlib import Path

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.common import plugins


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(plugins, "GLOBAL_PLUGINS_FILENAME", str(tmp_path / "global"))
    monkeypatch.setattr(plugins.importlib.metadata, "entry_points", lambda group: [])
    return tmp_path


def test_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["plugins"]) == 0
    assert "no plugins found" in capsys.readouterr().out


def test_what_was_found_and_what_failed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".nlpreg_plugins").write_text("planted_good\nplanted_bad\nplanted_empty\n")
    (folder / "planted_good.py").write_text(
        "from nlpreg.modules import Seq2SeqEncoder\n"
        "Seq2SeqEncoder.register('planted_b')(type('B', (Seq2SeqEncoder,), {}))\n"
        "Seq2SeqEncoder.register('planted_a')(type('A', (Seq2SeqEncoder,), {}))\n"
    )
    (folder / "planted_bad.py").write_text("import no_such_module_at_all\n")
    (folder / "planted_empty.py").write_text("")
    assert main("nlpreg", ["plugins"]) == 0
    output = capsys.readouterr()
    source = f"  found in: {folder / '.nlpreg_plugins'}\n"
    assert f"planted_good\n{source}  Seq2SeqEncoder: planted_a, planted_b\n" in output.out
    assert (
        f"planted_bad\n{source}  left out: ModuleNotFoundError: No module named 'no_such_module_at_all'"
        in output.out
    )
    assert f"planted_empty\n{source}  registers nothing\n" in output.out


def test_a_broken_plugin_does_not_stop_other_commands(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".nlpreg_plugins").write_text("planted_broken\n")
    (folder / "planted_broken.py").write_text("1 / 0\n")
    assert main("nlpreg", ["describe", "crf_tagger"]) == 0
    output = capsys.readouterr()
    assert "crf_tagger" in output.out
    assert "planted_broken" in output.err and "division by zero" in output.err
