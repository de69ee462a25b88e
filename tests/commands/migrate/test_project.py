from pathlib import Path

import pytest

from nlpreg.commands.migrate import migrate_path
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.old_configs import MigrationLog


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "a.py").write_text("from allennlp.common import Params\n")
    (tmp_path / "plugin" / "b.py").write_text("import os\n")
    (tmp_path / "c.jsonnet").write_text("{ model: {}, trainer: { shuffle: true } }")
    (tmp_path / "package.json").write_text('{"iterator": {"type": "basic"}}')  # no experiment
    (tmp_path / ".allennlp_plugins").write_text("plugin\n")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.py").write_text("import allennlp\n")
    log = MigrationLog()
    changed = migrate_path(str(tmp_path), log)
    assert {Path(path).name: text for path, text in changed.items()} == {
        ".allennlp_plugins": None,
        ".nlpreg_plugins": "plugin\n",
        "a.py": "from nlpreg.common import Params\n",
        "c.jsonnet": "{ model: {}, trainer: { } }",
    }
    assert (f"{tmp_path}/.allennlp_plugins", "renamed to .nlpreg_plugins") in log.done


def test_line_ends_stay(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonnet"
    path.write_bytes(b"{\r\n  trainer: { opt_level: 'O1' },\r\n}\r\n")
    assert migrate_path(str(path), MigrationLog()) == {
        str(path): "{\r\n  trainer: { use_amp: true },\r\n}\r\n"
    }


def test_what_is_not_utf8_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"import allennlp # \xe4\n")
    log = MigrationLog()
    assert migrate_path(str(path), log) == {}
    assert log.left == [(str(path), "this is not UTF-8; nothing in it was changed")]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected a config"):
        migrate_path(str(tmp_path / "a.csv"), MigrationLog())
