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
