import tarfile
from pathlib import Path

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.data.vocabulary_files import (
    find_vocabulary_folder,
    namespace_files,
    read_lines,
    read_patterns,
    read_tokens,
    write_namespace,
    write_patterns,
)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\nb", ["a", "b"]),
        (b"a\n\n\nb\n", ["a", "", "", "b"]),
        (b"a\n\n", ["a", ""]),
        ("a\u2028b\x85c\x0bd\n".encode(), ["a\u2028b\x85c\x0bd"]),
        (b"a\rb\n", ["a\rb"]),
        ("\u00a0 \n".encode(), ["\u00a0 "]),
    ],
)
def test_only_line_feeds_end_lines(tmp_path: Path, content: bytes, lines: list[str]) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    assert read_lines(path) == lines


def test_tokens_of_every_kind_come_back(tmp_path: Path) -> None:
    tokens = ["@@UNKNOWN@@", "a\nb", "", " ", "\n", "é日🙂", "x\r", "\r", "a\rb", "\t", "x\u2028", "\ufeff"]
    write_namespace(tmp_path, "tokens", dict(enumerate(tokens, start=1)), 1)
    assert read_tokens(tmp_path / "tokens.txt") == tokens


def test_the_format_itself(tmp_path: Path) -> None:
    write_namespace(tmp_path, "tokens", {0: "pad", 1: "unk", 2: "a\nb"}, 1)
    assert (tmp_path / "tokens.txt").read_bytes() == b"unk\na@@NEWLINE@@b\n"
    write_namespace(tmp_path, "tags", {0: "X"}, 0)
    assert (tmp_path / "tags.txt").read_bytes() == b"X\n"
    write_namespace(tmp_path, "empty", {}, 0)
    assert (tmp_path / "empty.txt").read_bytes() == b""


def test_ids_without_a_token_keep_their_line(tmp_path: Path) -> None:
    write_namespace(tmp_path, "tags", {0: "a", 3: "b"}, 0)
    assert read_tokens(tmp_path / "tags.txt") == ["a", "@@UNUSED1@@", "@@UNUSED2@@", "b"]


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/nlpreg-evil", "a/b", ".hidden", "..", "a\0b", "non_padded_namespaces"]
)
def test_names_that_lead_elsewhere(name: str, tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    with pytest.raises(ConfigurationError, match="this cannot be a file's name"):
        write_namespace(tmp_path / "inside", name, {0: "a"}, 0)
    assert [path.name for path in tmp_path.rglob("*")] == ["inside"]


def test_patterns(tmp_path: Path) -> None:
    write_patterns(tmp_path, {"*tags", "x"})
    assert sorted(read_patterns(tmp_path)) == ["*tags", "x"]


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it has no non_padded_namespaces"):
        read_patterns(tmp_path)


def test_namespace_files(tmp_path: Path) -> None:
    for name in ("tokens.txt", "odd.name.txt", "plain", ".lock", "non_padded_namespaces.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder").mkdir()
    assert sorted(namespace_files(tmp_path)) == ["odd.name", "plain", "tokens"]


def test_where_the_vocabulary_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlpreg.common.file_utils.CACHE_DIRECTORY", str(tmp_path / "cache"), raising=False)
    assert find_vocabulary_folder(tmp_path) == str(tmp_path)
    inner = tmp_path / "model" / "vocabulary"
    inner.mkdir(parents=True)
    assert find_vocabulary_folder(tmp_path / "model") == str(inner)
    plain = tmp_path / "plain.txt"
    plain.write_text("x")
    with pytest.raises(ConfigurationError, match="or an archive of one, got a plain file"):
        find_vocabulary_folder(plain)
    with pytest.raises(FileNotFoundError):
        find_vocabulary_folder(tmp_path / "missing")


def test_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "vocabulary"
    folder.mkdir()
    write_patterns(folder, ["*tags"])
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(folder, "vocabulary")
    found = find_vocabulary_folder(tmp_path / "model.tar.gz")
    assert read_patterns(found) == ["*tags"]


def test_a_word_twice_and_blank_lines_are_named(tmp_path, caplog):
    folder = tmp_path / "v"
    Vocabulary({"tokens": {"a": 2, "b": 1}}).save_to_files(str(folder))
    path = folder / "tokens.txt"
    path.write_text("@@UNKNOWN@@\na\nb\na\n")
    with pytest.raises(
        ConfigurationError, match=r"tokens.txt, line 4: expected every token once, got 'a', as in line 2"
    ):
        Vocabulary.from_files(folder)
    path.write_text("@@UNKNOWN@@\n\nb\n\n")
    with pytest.raises(ConfigurationError, match=r"tokens.txt, line 4: .* got a blank line, as in line 2"):
        Vocabulary.from_files(folder)
    path.write_text("@@UNKNOWN@@\n\nb\n")
    assert Vocabulary.from_files(folder).get_token_index("b") == 3
    assert "tokens.txt, line 2: a blank line" in caplog.text


@pytest.mark.parametrize("first", ["a", "\ufeffa", "\ufeff"])
def test_byte_order_marks(tmp_path, first):
    vocab = Vocabulary(non_padded_namespaces=["x"], tokens_to_add={"x": [first, "b"]})
    vocab.save_to_files(str(tmp_path / "v"))
    assert Vocabulary.from_files(tmp_path / "v") == vocab
    if first == "a":
        for path in (tmp_path / "v").glob("*.txt"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert Vocabulary.from_files(tmp_path / "v") == vocab


def test_a_size_below_zero():
    for size in (-1, {"tokens": -1}):
        with pytest.raises(ConfigurationError, match="max_vocab_size: expected a number of entries"):
            Vocabulary({"tokens": {"a": 1}}, max_vocab_size=size)
