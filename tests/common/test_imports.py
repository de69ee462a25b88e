import os
import sys

import pytest

from nlpreg.common.imports import import_module_and_submodules, push_python_path, pushd


def test_pushd_comes_back_even_after_an_error(tmp_path):
    before = os.getcwd()
    with pytest.raises(RuntimeError, match="stop"), pushd(tmp_path, verbose=True):
        assert os.path.realpath(os.getcwd()) == os.path.realpath(tmp_path)
        raise RuntimeError("stop")
    assert os.getcwd() == before


def test_push_python_path_removes_its_own_entry(tmp_path):
    before = list(sys.path)
    with push_python_path(tmp_path):
        assert sys.path[0] == str(tmp_path.resolve())
        sys.path.insert(0, "/other")
    assert "/other" in sys.path
    sys.path.remove("/other")
    assert sys.path == before


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = ["pk/__init__", "pk/a", "pk/_hidden", "pk/test_x", "pk/sub/__init__", "pk/sub/b", "pk/left_out"]
    for name in files:
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    yield
    for name in [name for name in sys.modules if name == "pk" or name.startswith("pk.")]:
        del sys.modules[name]


def test_every_submodule_is_imported_but_hidden_and_test_ones(package):
    import_module_and_submodules("pk", exclude={"pk.left_out"})
    loaded = {name for name in sys.modules if name == "pk" or name.startswith("pk.")}
    assert loaded == {"pk", "pk.a", "pk.sub", "pk.sub.b"}


def test_a_single_module_works_and_a_missing_one_is_an_error(package, tmp_path):
    import_module_and_submodules("pk.a")
    assert "pk.sub" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match="pk_absent"):
        import_module_and_submodules("pk_absent")
