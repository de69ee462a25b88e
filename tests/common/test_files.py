import os
from pathlib import Path

import pytest

from nlpreg.common.files import atomic_write


def test_the_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_write(path, "w") as file:
        file.write("é")
        assert not path.exists()
    assert path.read_bytes() == "é".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_wrong_use(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="expected mode 'w' or 'wb', got 'a'"),
        atomic_write(tmp_path / "a", "a"),
    ):
        pass
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "missing" / "a"):
        pass


def test_devices_are_written_in_place_and_links_go_on_pointing(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(pipe) as file:
        file.write(b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert not pipe.is_file() and [path.name for path in tmp_path.iterdir()] == ["pipe"]
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "target").read_bytes() == b"new" and (tmp_path / "link").is_symlink()
