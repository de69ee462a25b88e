import bz2
import gzip
import lzma
import random
import tarfile
import zipfile

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers.dataset_utils import text_files
from nlpreg.data.dataset_readers.dataset_utils.text_files import (
    BadLines,
    DataError,
    bad_line,
    excerpt,
    find_files,
)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", 7)


def file_of(tmp_path, content, name="f.txt"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    (file,) = find_files(str(path))
    return file


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("", []),
        ("one", ["one"]),
        ("one\n", ["one"]),
        ("one\r\ntwo\rthree\n\n", ["one", "two", "three", ""]),
        ("\ufeffbom\nü\u2028ü\x85\x0c\n", ["bom", "ü\u2028ü\x85\x0c"]),
        ("ünïcødé 漢字 🙂 long line\n\n\nend", ["ünïcødé 漢字 🙂 long line", "", "", "end"]),
    ],
)
def test_lines(tmp_path, content, lines):
    assert list(file_of(tmp_path, content).lines()) == list(enumerate(lines, start=1))


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        ("", []),
        ("\n\n \n", []),
        ("a\nb\n\nc\n", [(1, "a\nb"), (4, "c")]),
        ("\n\na\n\n\n\nb\nc", [(3, "a"), (7, "b\nc")]),
        ("a\n \t \nb\n  \n\nc", [(1, "a"), (3, "b"), (6, "c")]),
        ("a\r\n\r\nb\r\n", [(1, "a"), (3, "b")]),
        ("  \na b c d e f g\n\n", [(2, "a b c d e f g")]),
    ],
)
def test_blocks(tmp_path, content, blocks):
    assert list(file_of(tmp_path, content).blocks()) == blocks


def test_blocks_are_what_a_slow_reading_finds(tmp_path):
    rng = random.Random(4)
    for _ in range(300):
        lines = [rng.choice(["", "", " ", "\t", "a", "bb cc", "d\te"]) for _ in range(rng.randrange(12))]
        expected, current, start = [], [], 1
        for number, line in enumerate([*lines, ""], start=1):
            if line.strip():
                start = start if current else number
                current.append(line)
            elif current:
                expected.append((start, "\n".join(current)))
                current = []
        file = file_of(tmp_path, "\n".join(lines) + rng.choice(["", "\n"]))
        assert list(file.blocks()) == expected, lines


def test_bytes_that_are_not_utf8_are_located(tmp_path):
    content = "schön\nund ".encode() + "grün".encode("latin-1") + b"\n"
    with pytest.raises(
        DataError, match=r"f\.txt, line 2: expected text in UTF-8, got the byte 0xfc at byte 13"
    ):
        list(file_of(tmp_path, content).lines())
    with pytest.raises(DataError, match=r"got the byte 0xff at byte 0 of the file .*iconv -f UTF-16"):
        list(file_of(tmp_path, b"\xff\xfeu\x00").blocks())


@pytest.mark.parametrize(
    ("compress", "suffix"), [(gzip.compress, "gz"), (bz2.compress, "bz2"), (lzma.compress, "xz")]
)
def test_compressed_files_whole_and_damaged(tmp_path, compress, suffix):
    packed = compress("".join(f"{i} ü\n" for i in range(1000)).encode())
    assert len(list(file_of(tmp_path, packed, f"f.txt.{suffix}").lines())) == 1000
    with pytest.raises(
        ConfigurationError, match=rf"f\.txt\.{suffix}: the compressed file is damaged or truncated"
    ):
        list(file_of(tmp_path, packed[: len(packed) // 2], f"f.txt.{suffix}").lines())


def test_zstandard(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    file = file_of(tmp_path, zstandard.compress("ü\n2".encode()), "f.zst")
    assert list(file.lines()) == [(1, "ü"), (2, "2")]
    with pytest.raises(ConfigurationError, match=r"f\.zst: the compressed file is damaged or truncated"):
        list(file_of(tmp_path, b"not compressed", "f.zst").lines())


def test_lists_and_patterns(tmp_path):
    for name in ("b.txt", "a.txt", "c.md", "sub/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)

    def names(path):
        return [file.name.removeprefix(str(tmp_path) + "/") for file in find_files(path)]

    assert names(f"{tmp_path}/*.txt") == ["a.txt", "b.txt"]
    assert names(f"{tmp_path}/**/*.txt") == ["a.txt", "b.txt", "sub/d.txt"]
    assert names([f"{tmp_path}/c.md", tmp_path / "a.txt", f"{tmp_path}/[b].txt"]) == [
        "c.md",
        "a.txt",
        "b.txt",
    ]
    (tmp_path / "odd[1].txt").write_text("x")
    assert names(tmp_path / "odd[1].txt") == ["odd[1].txt"]


def test_members_of_archives(tmp_path):
    for name in ("a.txt", "b.txt.gz"):
        text = f"in {name}\n".encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        for name in ("a.txt", "b.txt.gz"):
            archive.add(tmp_path / name, arcname=f"data/{name}")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "a.txt", "a.txt")
    tar = tmp_path / "x.tar.gz"
    files = find_files(
        [f"{tar}!data/a.txt", f"{tar}!data/b.txt.gz", f"{tmp_path}/x.zip!a.txt", f"{tar}!data/*"]
    )
    assert find_files(files) == files
    assert [[line for _, line in file.lines()] for file in files] == [
        ["in a.txt"],
        ["in b.txt.gz"],
        ["in a.txt"],
        ["in a.txt"],
        ["in b.txt.gz"],
    ]
    assert [file.name for file in files[3:]] == [f"{tar}!data/a.txt", f"{tar}!data/b.txt.gz"]
    with pytest.raises(FileNotFoundError, match=r"!data/\*\.md: no file matches"):
        find_files(f"{tar}!data/*.md")


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.txt: no such file"):
        find_files(f"{tmp_path}/absent.txt")
    with pytest.raises(FileNotFoundError, match="no file matches this pattern"):
        find_files(f"{tmp_path}/*.absent")
    with pytest.raises(ConfigurationError, match="got a folder; for all files in it, give"):
        find_files(tmp_path)
    with pytest.raises(
        ConfigurationError, match="expected the path of a text file or a list of paths, got None"
    ):
        find_files(None)


def test_bad_lines_stop_or_are_counted(caplog):
    error = bad_line("f.txt", 3, "a number", excerpt("x" * 100), "fix it")
    assert str(error) == f"f.txt, line 3: expected a number, got '{'x' * 59}…'; fix it"
    with pytest.raises(DataError, match="line 3: .*or set skip_bad_lines"):
        BadLines(skip=False).add(error)
    bad_lines = BadLines(skip=True)
    for _ in range(5):
        bad_lines.add(error)
    bad_lines.report("f.txt")
    assert caplog.text.count("left out: ") == 3
    assert "f.txt: left out 5 bad lines" in caplog.text
