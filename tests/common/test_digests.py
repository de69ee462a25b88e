import json
import zlib
from pathlib import Path

import pytest

from nlpreg.common.digests import (
    DIGESTS_NAME,
    DamagedFileError,
    check_digests,
    digest_of,
    forget_digests,
    read_digests,
    record_digests,
    warn_if_changed,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files, of which two are recorded."""
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(name)
    record_digests(tmp_path, ["a.txt", "b.txt", "not_there.txt"])
    return tmp_path


def test_nothing_is_recorded(tmp_path: Path) -> None:
    assert read_digests(tmp_path) == {}
    check_digests(tmp_path)
    check_digests(tmp_path, ["a.txt"])
    forget_digests(tmp_path, "*")


def test_whole_files_pass(folder: Path) -> None:
    assert list(read_digests(folder)) == ["a.txt", "b.txt"]
    check_digests(folder)
    check_digests(folder, ["a.txt", "c.txt", "not_there.txt"])


@pytest.mark.parametrize("change", [lambda path: path.write_text("b.tyt"), lambda path: path.unlink()])
def test_changes_are_named(change: object, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    change(folder / "b.txt")
    with pytest.raises(
        DamagedFileError, match=r"/b\.txt (is missing|is not what was written).*remove .*/\.digests\.json"
    ):
        check_digests(folder)
    check_digests(folder, ["a.txt"])
    warn_if_changed(folder, "a.txt")
    assert caplog.text == ""
    warn_if_changed(folder, "b.txt")
    assert "/b.txt is" in caplog.text


def test_many_changes(tmp_path: Path) -> None:
    names = [f"{number}.txt" for number in range(5)]
    for name in names:
        (tmp_path / name).write_text(name)
    record_digests(tmp_path, names)
    for name in names:
        (tmp_path / name).write_text("")
    with pytest.raises(
        DamagedFileError, match=r"/2\.txt has 0 bytes instead of 5; and 2 more files\. Restore"
    ):
        check_digests(tmp_path)


def test_records_follow_the_files(folder: Path) -> None:
    (folder / "b.txt").write_text("new")
    (folder / "sub").mkdir()
    (folder / "sub" / "d.json").write_text("{}")
    record_digests(folder, ["b.txt", "sub/d.json"])
    check_digests(folder, ["a.txt", "b.txt", "sub/d.json"])
    forget_digests(folder, "b*", "sub/d.json")
    assert list(read_digests(folder)) == ["a.txt"]
    forget_digests(folder, "a.txt")
    assert not (folder / DIGESTS_NAME).exists()


@pytest.mark.parametrize(
    "content", [b"{", b"\xff", b'["a"]', b'{"a.txt": 1}', b'{"a.txt": {"size": 1}}', b"[" * 100_000]
)
def test_a_damaged_record(content: bytes, folder: Path) -> None:
    (folder / DIGESTS_NAME).write_bytes(content)
    with pytest.raises(
        DamagedFileError, match=r"\.digests\.json cannot be read .* remove it to load them unchecked"
    ):
        check_digests(folder)
    record_digests(folder, ["a.txt"])  # starts anew
    assert list(read_digests(folder)) == ["a.txt"]
    (folder / DIGESTS_NAME).write_bytes(content)
    forget_digests(folder, "a.txt")
    assert not (folder / DIGESTS_NAME).exists()


def test_a_record_of_a_stranger_leads_nowhere(folder: Path) -> None:
    (folder / DIGESTS_NAME).write_text(
        json.dumps({name: {"size": 0, "crc32": 0} for name in ("/dev/zero", "../x", "sub/y")})
    )
    check_digests(folder)


def test_digests_are_those_of_zlib(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than is read at once
    (tmp_path / "a").write_bytes(content)
    assert digest_of(tmp_path / "a") == {"size": len(content), "crc32": zlib.crc32(content)}
    record_digests(tmp_path, known={"b": {"size": 0, "crc32": 0}})
    with pytest.raises(DamagedFileError, match="/b is missing"):
        check_digests(tmp_path)
