import bz2
import gzip
import lzma
import os
import subprocess
import sys
import tarfile

import pytest

from nlpreg.common.caching import cache as cache_module
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import (
    SimpleLanguageModelingDatasetReader,
)
from nlpreg.data.id_corpus import corpus_cache, id_corpus_of
from nlpreg.data.tokenizers import LettersDigitsTokenizer, WhitespaceTokenizer

TEXT = "the cat sat\nthe 2nd dog\n"


def reader(**kwargs):
    return SimpleLanguageModelingDatasetReader(**{"tokenizer": WhitespaceTokenizer(), **kwargs})


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture
def writes(monkeypatch):
    """How often a corpus has been written."""
    calls = []
    write = corpus_cache.write_id_corpus

    def counting(*args):
        calls.append(args)
        return write(*args)

    monkeypatch.setattr(corpus_cache, "write_id_corpus", counting)
    return calls


def texts(corpus):
    return [corpus.text(i) for i in range(corpus.num_texts)]


def test_made_once_and_found_again(path, tmp_path, writes):
    cache = tmp_path / "cache"
    for _ in range(3):
        corpus = id_corpus_of(reader(), path, "source", cache_dir=cache)
        assert texts(corpus) == [["the", "cat", "sat"], ["the", "2nd", "dog"]]
    assert len(writes) == 1
    # the same content at another place is the same corpus
    (tmp_path / "copy.txt").write_text(TEXT)
    id_corpus_of(reader(), str(tmp_path / "copy.txt"), "source", cache_dir=cache)
    assert len(writes) == 1


def test_whatever_changes_the_words_makes_another(path, tmp_path, writes):
    cache = tmp_path / "cache"
    id_corpus_of(reader(), path, "source", cache_dir=cache)
    for other in (
        reader(tokenizer=LettersDigitsTokenizer()),
        reader(end_tokens=["</S>"]),
        reader(max_sequence_length=3),
        reader(max_instances=1),
    ):
        id_corpus_of(other, path, "source", cache_dir=cache)
    assert len(writes) == 5
    with open(path, "a") as file:
        file.write("more\n")
    assert len(texts(id_corpus_of(reader(), path, "source", cache_dir=cache))) == 3
    assert len(writes) == 6


def test_damaged_and_half_written_ones_are_made_anew(path, tmp_path, writes):
    cache = tmp_path / "cache"
    corpus = id_corpus_of(reader(), path, "source", cache_dir=cache)
    (corpus.folder / "ids.bin").write_bytes(b"")
    assert texts(id_corpus_of(reader(), path, "source", cache_dir=cache))[0] == ["the", "cat", "sat"]
    assert len(writes) == 2


def test_an_error_while_writing_leaves_nothing(path, tmp_path):
    with open(path, "ab") as file:
        file.write(b"\xff\n")
    with pytest.raises(ConfigurationError, match=r"text\.txt, line 3: expected text in UTF-8"):
        id_corpus_of(reader(), path, "source", cache_dir=tmp_path / "cache")
    assert [entry.suffix for entry in (tmp_path / "cache").iterdir()] == [".lock"]


def test_no_cache(path, tmp_path, writes, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(corpus_cache.tempfile, "tempdir", None)
    for _ in range(2):
        id_corpus_of(reader(), path, "source", use_cache=False, cache_dir=cache)
    monkeypatch.setenv("NLPREG_NO_CACHE", "1")
    corpus = id_corpus_of(reader(), path, "source", cache_dir=cache)
    assert len(writes) == 3
    assert not cache.exists()
    folder = corpus.folder
    assert folder.exists()
    del corpus
    assert not folder.exists()


def test_readers_that_cannot_be_recognised_are_not_kept(path, tmp_path, writes, caplog):
    odd = reader()
    odd.generator = (i for i in range(3))
    with caplog.at_level("INFO"):
        id_corpus_of(odd, path, "source", cache_dir=tmp_path / "cache")
    assert "will not be kept for later runs" in caplog.text
    assert not (tmp_path / "cache").exists()


def test_several_processes_make_one(path, tmp_path):
    program = """
import sys
from nlpreg.data.dataset_readers import SimpleLanguageModelingDatasetReader
from nlpreg.data.id_corpus import id_corpus_of
from nlpreg.data.tokenizers import WhitespaceTokenizer
corpus = id_corpus_of(SimpleLanguageModelingDatasetReader(WhitespaceTokenizer()), sys.argv[1], "source", cache_dir=sys.argv[2])
print(corpus.folder, corpus.text(1))
"""
    command = [sys.executable, "-c", program, path, str(tmp_path / "cache")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = {process.communicate(timeout=120)[0] for process in processes}
    assert len(outputs) == 1
    assert "['the', '2nd', 'dog']" in outputs.pop()
    # and what this process would make is the same
    assert len([entry for entry in os.listdir(tmp_path / "cache") if not entry.endswith(".lock")]) == 1


def test_what_a_killed_process_has_begun_is_never_read(path, tmp_path):
    program = """
import os, signal, sys
from nlpreg.data.dataset_readers import SimpleLanguageModelingDatasetReader
from nlpreg.data.id_corpus import corpus_cache, id_corpus_of
from nlpreg.data.tokenizers import WhitespaceTokenizer
write = corpus_cache.write_id_corpus
def write_and_die(*args):
    write(*args)
    os.kill(os.getpid(), signal.SIGKILL)
corpus_cache.write_id_corpus = write_and_die
id_corpus_of(SimpleLanguageModelingDatasetReader(WhitespaceTokenizer()), sys.argv[1], "source", cache_dir=sys.argv[2])
"""
    cache = tmp_path / "cache"
    killed = subprocess.run([sys.executable, "-c", program, path, str(cache)], timeout=120)
    assert killed.returncode < 0
    assert sorted(entry.suffix for entry in cache.iterdir()) == [".lock", ".tmp"]
    assert len(texts(id_corpus_of(reader(), path, "source", cache_dir=cache))) == 2
    assert sorted(entry.suffix for entry in cache.iterdir()) == ["", ".lock"]


def test_a_file_that_changes_while_it_is_read(path, tmp_path, monkeypatch):
    write = corpus_cache.write_id_corpus

    def write_late(*args):
        with open(path, "a") as file:
            file.write("more\n")
        return write(*args)

    monkeypatch.setattr(corpus_cache, "write_id_corpus", write_late)
    with pytest.raises(ConfigurationError, match=r"text\.txt: changed while it was read"):
        id_corpus_of(reader(), path, "source", cache_dir=tmp_path / "cache")
    assert [entry.suffix for entry in (tmp_path / "cache").iterdir()] == [".lock"]


def packed(folder, name):
    """A text of three lines in a file of some kind, and the path to give a reader."""
    content = "the cat\nsät\n\nthe dog".encode()
    openers = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    path = folder / name
    if name == "parts":
        path.mkdir()
        (path / "2.txt").write_bytes(content[8:])
        (path / "1.txt").write_bytes(content[:8])
        (path / "0.txt").write_bytes(b"")
        return f"{path}/*.txt"
    if name == "a.tar.gz":
        with tarfile.open(path, "w:gz") as archive:
            (folder / "text").write_bytes(content)
            archive.add(folder / "text", "inner/text.txt")
        return f"{path}!inner/text.txt"
    if name == "text.zst":
        path.write_bytes(pytest.importorskip("zstandard").compress(content))
    elif name == "crlf.txt":
        path.write_bytes(content.replace(b"\n", b"\r\n"))
    else:
        with openers.get(path.suffix, open)(path, "wb") as file:
            file.write(content)
    return str(path)


@pytest.mark.parametrize(
    "name", ["text.txt", "crlf.txt", "text.gz", "text.bz2", "text.xz", "text.zst", "a.tar.gz", "parts"]
)
def test_the_same_text_in_every_form(tmp_path, monkeypatch, name):
    monkeypatch.setattr(cache_module, "CACHE_DIRECTORY", str(tmp_path / "downloads"))
    where = packed(tmp_path, name)
    corpus = id_corpus_of(reader(), where, "source", cache_dir=tmp_path / "cache")
    assert texts(corpus) == [["the", "cat"], ["sät"], ["the", "dog"]]
    assert [entry.suffix for entry in (tmp_path / "cache").iterdir() if entry.suffix] == [".lock"]
    several = id_corpus_of(reader(), [where, where], "source", cache_dir=tmp_path / "cache")
    assert texts(several) == 2 * texts(corpus)


def test_one_line_and_a_very_long_one(tmp_path):
    path = tmp_path / "long.txt"
    for number in (1, 700_000):
        path.write_text("word " * number)
        corpus = id_corpus_of(reader(), str(path), "source", cache_dir=tmp_path / "cache")
        assert (corpus.num_texts, corpus.num_words, corpus.words) == (1, number, ["word"])


def test_nothing_to_read(tmp_path):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "blank.txt").write_text("\n \n\n")
    for name in ("empty.txt", "blank.txt"):
        with pytest.raises(ConfigurationError, match=rf"{name}: expected at least one line, got none"):
            id_corpus_of(reader(), str(tmp_path / name), "source", cache_dir=tmp_path / "cache")


class Shouting(SimpleLanguageModelingDatasetReader):
    def text_to_instance(self, sentence):
        return super().text_to_instance(sentence.upper())


def test_what_a_subclass_reads_is_what_is_numbered(path, tmp_path):
    corpus = id_corpus_of(Shouting(WhitespaceTokenizer()), path, "source", cache_dir=tmp_path / "cache")
    assert texts(corpus)[0] == ["THE", "CAT", "SAT"]
