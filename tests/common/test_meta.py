import json
import os
import subprocess
import sys

import pytest

from nlpreg.common.meta import META_NAME, Meta, record_run
from nlpreg.version import VERSION


def test_new_record_holds_the_version_alone(tmp_path):
    path = tmp_path / META_NAME
    Meta.new().to_file(path)
    assert json.loads(path.read_text()) == {"version": VERSION}
    assert Meta.from_path(path) == Meta(version=VERSION)


def test_record_of_a_run_survives_the_file(tmp_path):
    meta = record_run(seeds={"random_seed": 1, "numpy_seed": None})
    meta.to_file(tmp_path / META_NAME)
    assert Meta.from_path(tmp_path / META_NAME) == meta
    assert meta.python_version == ".".join(map(str, sys.version_info[:3]))
    assert meta.torch_version
    assert meta.numpy_version
    assert meta.command == sys.argv
    assert meta.start_time
    assert "cores" in (meta.machine or "")


def test_git_commit_is_that_of_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert record_run().git_commit is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "file").write_text("1")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True, timeout=120)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout.strip()
    assert (record_run().git_commit, record_run().git_dirty) == (head, False)
    index = (tmp_path / ".git" / "index").read_bytes()
    os.utime(tmp_path / "file", (1, 1))  # git would like to note this in its index, for which it needs a lock
    assert record_run().git_dirty is False
    assert (tmp_path / ".git" / "index").read_bytes() == index
    (tmp_path / "file").write_text("2")
    assert record_run().git_dirty is True


def test_unknown_keys_are_left_out_and_a_missing_version_is_an_error(tmp_path):
    path = tmp_path / META_NAME
    path.write_text('{"version": "2.10.1", "later": 1}')
    assert Meta.from_path(path).version == "2.10.1"
    path.write_text("[1]")
    with pytest.raises(ValueError, match='key "version"'):
        Meta.from_path(path)
