import os
from pathlib import Path

import pytest

from nlpreg.common import plugins
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.plugins import (
    DEFAULT_PLUGINS,
    discover_file_plugins,
    discover_plugins,
    import_packages,
    load_plugins,
)


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "GLOBAL_PLUGINS_FILENAME", str(tmp_path / "global_plugins"))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_names_are_read_from_files(working_folder: Path) -> None:
    assert list(discover_file_plugins()) == []
    (working_folder / ".nlpreg_plugins").write_text("one\n\n  two \n")
    (working_folder / "global_plugins").write_text("two\nthree\n")
    assert list(discover_file_plugins()) == ["one", "two"]
    assert [name for name in discover_plugins() if name in ("one", "two", "three")] == ["one", "two", "three"]


def test_a_broken_plugin_does_not_take_the_others_down(
    working_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (working_folder / ".nlpreg_plugins").write_text(
        "plugin_broken\nplugin_missing\nplugin_good\n../good.py\n"
    )
    (working_folder / "plugin_broken.py").write_text("1 / 0\n")
    (working_folder / "plugin_good.py").write_text(
        "from nlpreg.common import Registrable\nclass Fish(Registrable): pass\nFish.register('cod')(Fish)\n"
    )
    found = {plugin.module: plugin for plugin in load_plugins()}
    reason = f"ZeroDivisionError: division by zero ({os.getcwd()}/plugin_broken.py:1)"
    assert found["plugin_broken"].error == reason
    assert "there is no such module" in (found["plugin_missing"].error or "")
    assert (found["../good.py"].error or "").endswith("such as my_project.parts, found a path")
    assert found["plugin_good"].error is None
    assert found["plugin_good"].registered == [("Fish", "cod")]
    assert "plugin_broken" in caplog.text and "division by zero" in caplog.text


def test_packages_that_cannot_be_imported(working_folder: Path) -> None:
    (working_folder / "needs_more.py").write_text("import no_such_module_at_all\n")
    for name, reason in (
        ("no_such_package", "there is no such module, neither in the working folder"),
        ("needs_more", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("./needs_more.py", "expected the name of a module"),
    ):
        with pytest.raises(ConfigurationError, match=f"--include-package {name}: {reason}"):
            import_packages([name])


def test_no_plugin_is_taken_for_granted() -> None:
    assert DEFAULT_PLUGINS == ()
