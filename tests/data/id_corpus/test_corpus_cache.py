import os
import subprocess
import sys

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import (
    DatasetReader,
    SequenceTaggingDatasetReader,
    SimpleLanguageModelingDatasetReader,
)
from nlpreg.data.dataset_readers.dataset_reader import DistributedInfo, WorkerInfo
from nlpreg.data.fields import TextField
from nlpreg.data.id_corpus import corpus_cache, id_corpus_of, text_field_of_reader
from nlpreg.data.instance import Instance
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


def test_the_whole_text_whatever_the_readers_share(path, tmp_path):
    one = reader()
    one._set_distributed_info(DistributedInfo(2, 1))
    one._set_worker_info(WorkerInfo(2, 0))
    assert len(texts(id_corpus_of(one, path, "source", cache_dir=tmp_path / "cache"))) == 2
    assert one.get_distributed_info() == DistributedInfo(2, 1)
    assert one.get_worker_info() == WorkerInfo(2, 0)


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
    outputs = {process.communicate()[0] for process in processes}
    assert len(outputs) == 1
    assert "['the', '2nd', 'dog']" in outputs.pop()
    # and what this process would make is the same
    assert len([entry for entry in os.listdir(tmp_path / "cache") if not entry.endswith(".lock")]) == 1


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


class Shouting(SimpleLanguageModelingDatasetReader):
    def text_to_instance(self, sentence):
        return super().text_to_instance(sentence.upper())


def test_what_a_subclass_reads_is_what_is_numbered(path, tmp_path):
    corpus = id_corpus_of(Shouting(WhitespaceTokenizer()), path, "source", cache_dir=tmp_path / "cache")
    assert texts(corpus)[0] == ["THE", "CAT", "SAT"]
