"""Files of word vectors in every container."""

import bz2
import gzip
import logging
import lzma
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from nlpreg.common.caching import open_compressed
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.embeddings_file import (
    EmbeddingsTextFile,
    format_embeddings_file_uri,
    parse_embeddings_file_uri,
)

TEXT = "the 1 2\nnaïve 3 4\n\u2028 5 6\n"
LINES = ["the 1 2\n", "naïve 3 4\n", "\u2028 5 6\n"]


@pytest.mark.parametrize(
    ("name", "opener"),
    [
        ("v.txt", open),
        ("v.vec", open),
        ("v.gz", gzip.open),
        ("v.txt.bz2", bz2.open),
        ("v.xz", lzma.open),
        ("v.txt.zst", open_compressed),
    ],
)
def test_plain_and_compressed(tmp_path, name, opener):
    with opener(tmp_path / name, "wb") as file:
        file.write(TEXT.encode())
    with EmbeddingsTextFile(str(tmp_path / name)) as lines:
        assert lines.num_tokens is None
        assert list(lines) == LINES


def test_unknown_extensions_are_plain_text(tmp_path, caplog):
    (tmp_path / "v.dat").write_text(TEXT, encoding="utf-8")
    with caplog.at_level(logging.WARNING), EmbeddingsTextFile(str(tmp_path / "v.dat")) as lines:
        assert list(lines) == LINES
    assert "unknown extension '.dat'" in caplog.text


def archive(path, members):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            file.mkdir("folder") if hasattr(file, "mkdir") else None
            for name, text in members.items():
                file.writestr(name, text)
        return
    source = path.parent / "source"
    source.mkdir()
    with tarfile.open(path, "w:gz") as file:
        file.add(source, "folder")
        for name, text in members.items():
            (source / "member").write_text(text, encoding="utf-8")
            file.add(source / "member", name)


@pytest.mark.parametrize("name", ["v.zip", "v.tar.gz"])
def test_archives(tmp_path, name):
    path = tmp_path / name
    archive(path, {"folder/a.txt": TEXT})
    with EmbeddingsTextFile(str(path)) as lines:
        assert list(lines) == LINES


@pytest.mark.parametrize("name", ["v.zip", "v.tar.gz"])
def test_archives_of_several_files(tmp_path, name):
    path = tmp_path / name
    archive(path, {"folder/a.txt": "x 1\n", "b.txt": TEXT})
    with EmbeddingsTextFile(f"({path})#b.txt") as lines:
        assert list(lines) == LINES
    with pytest.raises(
        ValueError, match=r"an archive of one file, got 2: \['folder/a.txt', 'b.txt'\]; name one"
    ):
        EmbeddingsTextFile(str(path))
    with pytest.raises(KeyError, match=r"got 'c.txt'"):
        EmbeddingsTextFile(f"({path})#c.txt")


def test_a_member_of_no_archive(tmp_path):
    (tmp_path / "v.txt").write_text(TEXT, encoding="utf-8")
    with pytest.raises(ValueError, match="expected a zip or tar archive"):
        EmbeddingsTextFile(f"({tmp_path / 'v.txt'})#a.txt")


@pytest.mark.parametrize(("header", "count"), [("3 300\n", 300), ("1999995 300\n", 1999995), ("7\n", 7)])
def test_headers(tmp_path, header, count):
    (tmp_path / "v.txt").write_text(header + TEXT, encoding="utf-8")
    with EmbeddingsTextFile(str(tmp_path / "v.txt")) as lines:
        assert lines.num_tokens == len(lines) == count
        assert lines.read() == TEXT


@pytest.mark.parametrize("first", ["the 1 2\n", "1.5 2\n", "1 2 3\n", "-3 4\n", "two words\n", "²\n"])
def test_lines_that_are_no_headers(tmp_path, first):
    (tmp_path / "v.txt").write_text(first + TEXT, encoding="utf-8")
    with EmbeddingsTextFile(str(tmp_path / "v.txt")) as lines:
        assert lines.readline() == first
        assert lines.read() == TEXT
        with pytest.raises(AttributeError, match="has no header"):
            len(lines)


def test_an_empty_file(tmp_path):
    (tmp_path / "v.txt").touch()
    with EmbeddingsTextFile(str(tmp_path / "v.txt")) as lines:
        assert list(lines) == [] and lines.read() == "" and lines.readline() == ""


@pytest.mark.parametrize("name", ["v.txt.gz", "v.txt.bz2", "v.txt.xz"])
@pytest.mark.parametrize("damage", ["cut off", "not compressed"])
def test_a_damaged_file_is_named(tmp_path, name, damage):
    whole = {".gz": gzip, ".bz2": bz2, ".xz": lzma}[Path(name).suffix].compress(TEXT.encode() * 1000)
    (tmp_path / name).write_bytes(whole[: len(whole) // 2] if damage == "cut off" else TEXT.encode())
    message = f"{name}: the compressed file is damaged or truncated"
    with (
        pytest.raises(ConfigurationError, match=re.escape(message)),
        EmbeddingsTextFile(str(tmp_path / name)) as lines,
    ):
        list(lines)


def test_a_file_in_utf16_is_told_apart(tmp_path):
    (tmp_path / "v.txt").write_bytes("the 1 2\n".encode("utf-16"))
    with pytest.raises(ConfigurationError, match=r"v\.txt, line 1: .* byte 0xff; .*`iconv -f UTF-16"):
        EmbeddingsTextFile(str(tmp_path / "v.txt"))


def test_other_encodings(tmp_path):
    (tmp_path / "v.txt").write_text("naïve 1\n", encoding="latin-1")
    with EmbeddingsTextFile(str(tmp_path / "v.txt"), encoding="latin-1") as lines:
        assert list(lines) == ["naïve 1\n"]


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("v.txt", ("v.txt", None)),
        ("(v.zip)#a/b.txt", ("v.zip", "a/b.txt")),
        ("(http://host/(v).zip)#(b)#c.txt", ("http://host/(v).zip)#(b", "c.txt")),
    ],
)
def test_uris(uri, parts):
    assert parse_embeddings_file_uri(uri) == parts
    assert format_embeddings_file_uri(*parts) == uri


@pytest.mark.parametrize("name", ["v.txt", "v.txt.gz"])
def test_a_byte_order_mark_and_bytes_that_are_no_text(tmp_path, name):
    opener = gzip.open if name.endswith("gz") else open
    with opener(tmp_path / name, "wb") as file:
        file.write(b"\xef\xbb\xbfthe 1 2\nna\xc3\xafve 3 4\ncaf\xe9 5 6\n")
    with EmbeddingsTextFile(str(tmp_path / name)) as lines:
        assert [next(lines), next(lines)] == ["the 1 2\n", "naïve 3 4\n"]
        assert lines.line_number == 2
        with pytest.raises(
            ConfigurationError, match=rf"{name}, line 3: expected text in UTF-8, got the byte 0xe9"
        ):
            next(lines)


def test_the_rest_of_a_file_is_decoded_like_its_lines(tmp_path):
    (tmp_path / "v.txt").write_bytes(b"2 2\nthe 1 2\ncaf\xe9 5 6\n")
    with (
        EmbeddingsTextFile(str(tmp_path / "v.txt")) as lines,
        pytest.raises(ConfigurationError, match=r"v\.txt, line 3: expected text in UTF-8, got the byte 0xe9"),
    ):
        lines.read()
