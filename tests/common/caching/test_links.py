import errno
import os

import pytest

from nlpreg.common.caching import hardlink_or_copy


def test_link_where_possible(tmp_path):
    (tmp_path / "a").write_text("1")
    hardlink_or_copy(tmp_path / "a", tmp_path / "b")
    assert os.path.samefile(tmp_path / "a", tmp_path / "b")


def test_copy_across_devices(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("1")

    def refuse(*args):
        raise OSError(errno.EXDEV, "other device")

    monkeypatch.setattr(os, "link", refuse)
    hardlink_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "1"
    assert not os.path.samefile(tmp_path / "a", tmp_path / "b")


def test_other_errors_stay_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        hardlink_or_copy(tmp_path / "absent", tmp_path / "b")
