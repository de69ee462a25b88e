import bz2
import gzip
import lzma
import sys

import pytest

from nlpreg.common.caching import (
    get_file_extension,
    json_lines_from_file,
    open_compressed,
    read_set_from_file,
    text_lines_from_file,
)

TEXT = "erste Zeile\n zweite ü \n\n漢字\n"


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst", ".txt", ".GZ"])
def test_written_and_read_again(tmp_path, suffix):
    if suffix == ".zst":
        pytest.importorskip("zstandard")
    path = tmp_path / f"file{suffix}"
    with open_compressed(path, "wt") as file:
        file.write(TEXT)
    if suffix != ".txt":
        assert path.read_bytes() != TEXT.encode()
    with open_compressed(path) as file:
        assert file.read() == TEXT
    with open_compressed(path, "rb") as file:
        assert file.readline() == b"erste Zeile\n"
    assert list(text_lines_from_file(path)) == ["erste Zeile", "zweite ü", "", "漢字"]
    assert list(text_lines_from_file(path, strip_lines=False)) == TEXT.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("compress", "suffix"), [(gzip.compress, "gz"), (bz2.compress, "bz2"), (lzma.compress, "xz")]
)
def test_files_of_several_streams_are_read_to_the_end(tmp_path, compress, suffix):
    path = tmp_path / f"f.{suffix}"
    path.write_bytes(compress(b"one\n") + compress(b"two\n"))
    assert list(text_lines_from_file(path)) == ["one", "two"]


def test_zstandard_of_several_frames_is_read_to_the_end(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "f.zst"
    path.write_bytes(zstandard.compress(b"one\n") + zstandard.compress(b"two\n"))
    assert list(text_lines_from_file(path)) == ["one", "two"]


def test_without_zstandard_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "f.zst").write_bytes(b"")
    with pytest.raises(ImportError, match=r"nlpreg\[zstd\]"):
        open_compressed(tmp_path / "f.zst")


def test_bytes_that_are_no_text_are_replaced(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"a\xffb\n")
    assert list(text_lines_from_file(path)) == ["a\ufffdb"]


def test_json_lines(tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_text('{"a": "ü"}\n[1]\n', encoding="utf-8")
    assert list(json_lines_from_file(path)) == [{"a": "ü"}, [1]]
    path.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(ValueError, match=r"f\.jsonl, line 2: expected JSON"):
        list(json_lines_from_file(path))


def test_small_ones(tmp_path):
    path = tmp_path / "f"
    path.write_text("a \nb\nb\n")
    assert read_set_from_file(str(path)) == {"a", "b"}
    assert get_file_extension("x/y.tar.GZ") == ".gz"
    assert get_file_extension("x/y.tar.GZ", dot=False, lower=False) == "GZ"
    assert get_file_extension("none") == ""
    # urls, which may say more than the name of a file
    assert get_file_extension("https://host/y.gz?download=1#sha256=0a.1b") == ".gz"
    assert get_file_extension("https://host/y.tar.gz#sha256=0a!inner/z.txt") == ".txt"
