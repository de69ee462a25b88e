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
    DatasetReader,
    SequenceTaggingDatasetReader,
    SimpleLanguageModelingDatasetReader,
)
from nlpreg.data.dataset_readers.dataset_reader import DistributedInfo, WorkerInfo
from nlpreg.data.dataset_readers.dataset_utils.text_files import find_files
from nlpreg.data.fields import TextField
from nlpreg.data.id_corpus import corpus_cache, id_corpus_of, text_field_of_reader
from nlpreg.data.id_corpus.corpus_cache import cache_is_off, key_of_data
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers import SingleIdTokenIndexer
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
    write = corpus_cache.write_numbered

    def counting(*args):
        calls.append(args)
        return write(*args)

    monkeypatch.setattr(corpus_cache, "write_numbered", counting)
    return calls


def content(corpus):
    return {path.name: path.read_bytes() for path in corpus.folder.iterdir()}


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
write = corpus_cache.write_numbered
def write_and_die(*args):
    write(*args)
    os.kill(os.getpid(), signal.SIGKILL)
corpus_cache.write_numbered = write_and_die
id_corpus_of(SimpleLanguageModelingDatasetReader(WhitespaceTokenizer()), sys.argv[1], "source", cache_dir=sys.argv[2])
"""
    cache = tmp_path / "cache"
    killed = subprocess.run([sys.executable, "-c", program, path, str(cache)], timeout=120)
    assert killed.returncode < 0
    assert sorted(entry.suffix for entry in cache.iterdir()) == [".lock", ".tmp"]
    assert len(texts(id_corpus_of(reader(), path, "source", cache_dir=cache))) == 2
    assert sorted(entry.suffix for entry in cache.iterdir()) == ["", ".lock"]


def test_a_file_that_changes_while_it_is_read(path, tmp_path, monkeypatch):
    write = corpus_cache.write_numbered

    def write_late(*args):
        with open(path, "a") as file:
            file.write("more\n")
        return write(*args)

    monkeypatch.setattr(corpus_cache, "write_numbered", write_late)
    with pytest.raises(ConfigurationError, match=r"text\.txt: the file changed while it was read"):
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


@pytest.mark.parametrize("name", ["ids.bin", "ends.bin", "counts.bin", "words.json", "meta.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_corpus_is_made_anew_and_said(path, tmp_path, name, damage, caplog):
    def make_one():
        return id_corpus_of(reader(), path, "source", cache_dir=tmp_path / "cache")

    first = make_one()
    content = {file.name: file.read_bytes() for file in first.folder.iterdir()}
    damaged = first.folder / name
    if damage == "gone":
        damaged.unlink()
    elif damage == "cut":
        damaged.write_bytes(content[name][:-1])
    else:
        byte = len(content[name]) // 2
        damaged.write_bytes(
            content[name][:byte] + bytes([content[name][byte] ^ 4]) + content[name][byte + 1 :]
        )
    again = make_one()
    assert {file.name: file.read_bytes() for file in again.folder.iterdir()} == content
    assert [record.message for record in caplog.records if "made again" in record.message]


def test_files_reader_code_and_the_rest_count(tmp_path, monkeypatch):
    for name in ("a.txt", "b.txt", "a.gz"):
        (tmp_path / name).write_text("a###X\n")
    (tmp_path / "c.txt").write_text("a###Y\n")

    def key(name="a.txt", reader=None, *more):
        return key_of_data(reader or SequenceTaggingDatasetReader(), find_files(str(tmp_path / name)), *more)

    first = key()
    assert key("b.txt") == first
    indexed = SequenceTaggingDatasetReader(
        token_indexers={"x": SingleIdTokenIndexer()}, serialization_dir="s"
    )
    assert key(reader=indexed) == first
    others = [key("c.txt"), key("a.gz"), key("a.txt", None, 1), key(reader=SequenceTaggingDatasetReader("/"))]
    monkeypatch.setattr(corpus_cache, "_digest_of_code", lambda: "other")
    assert len({first, *others, key()}) == 6


def test_the_variable(monkeypatch):
    monkeypatch.setenv("NLPREG_NO_CACHE", "1")
    assert cache_is_off()
    monkeypatch.setenv("NLPREG_NO_CACHE", "")
    assert not cache_is_off()


def test_the_whole_text_whatever_the_readers_share(path, tmp_path):
    one = reader()
    one._set_distributed_info(DistributedInfo(2, 1))
    one._set_worker_info(WorkerInfo(2, 0))
    assert content(id_corpus_of(one, path, "source", cache_dir=tmp_path / "share")) == content(
        id_corpus_of(reader(), path, "source", cache_dir=tmp_path / "all")
    )
    assert one.get_distributed_info() == DistributedInfo(2, 1)
    assert one.get_worker_info() == WorkerInfo(2, 0)


def test_which_field_is_the_text(path, tmp_path):
    name, field = text_field_of_reader(reader(), path)
    assert name == "source"
    assert set(field.token_indexers) == {"tokens"}
    (tmp_path / "tagged.txt").write_text("a###X\n")
    with pytest.raises(
        ConfigurationError, match="with the fields tokens, metadata, tags; expected a single text"
    ):
        text_field_of_reader(SequenceTaggingDatasetReader(), str(tmp_path / "tagged.txt"))

    class Two(DatasetReader):
        def _read(self, file_path):
            yield Instance({"a": TextField([]), "b": TextField([])})

    with pytest.raises(ConfigurationError, match="with the fields a, b; expected a single text"):
        text_field_of_reader(Two(), path)
    with pytest.raises(ConfigurationError, match="found no instances there"):
        text_field_of_reader(Two(max_instances=0), path)
