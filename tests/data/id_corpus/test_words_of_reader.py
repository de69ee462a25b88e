import os
import random
import signal

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import (
    DatasetReader,
    SequenceTaggingDatasetReader,
    SimpleLanguageModelingDatasetReader,
)
from nlpreg.data.dataset_readers.dataset_reader import DistributedInfo, WorkerInfo
from nlpreg.data.dataset_readers.dataset_utils.text_files import find_files
from nlpreg.data.fields import TextField
from nlpreg.data.id_corpus import building, id_corpus_of, text_field_of_reader, words_of_reader
from nlpreg.data.instance import Instance
from nlpreg.data.tokenizers import WhitespaceTokenizer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")


def reader(**kwargs):
    return SimpleLanguageModelingDatasetReader(**{"tokenizer": WhitespaceTokenizer(), **kwargs})


@pytest.fixture
def path(tmp_path):
    rng = random.Random(0)
    lines = [" ".join(str(int(rng.expovariate(0.02))) for _ in range(rng.randrange(9))) for _ in range(500)]
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines))
    return str(path)


@pytest.fixture
def several(monkeypatch):
    """A corpus of any size is worth three processes."""
    monkeypatch.setattr(words_of_reader, "BYTES_WORTH_PROCESSES", 0)
    monkeypatch.setattr(words_of_reader, "UNITS_AT_ONCE", 20)
    monkeypatch.setattr(building, "NUMBERS_AT_ONCE", 100)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2}, raising=False)
    monkeypatch.setattr(words_of_reader.sys, "platform", "linux")


def content(corpus):
    return {path.name: path.read_bytes() for path in corpus.folder.iterdir()}


def make(one, path, tmp_path, name):
    return id_corpus_of(one, path, "source", cache_dir=tmp_path / name)


def test_several_processes_write_what_one_writes(path, tmp_path, request):
    cases = [{}, {"end_tokens": ["</S>"]}]
    assert words_of_reader.number_of_processes(reader(), find_files(path)) == 1
    alone = [content(make(reader(**options), path, tmp_path, "alone")) for options in cases]
    request.getfixturevalue("several")
    for options, expected in zip(cases, alone, strict=True):
        one = reader(**options)
        assert words_of_reader.number_of_processes(one, find_files(path)) == 3
        together = make(one, path, tmp_path, "together")
        assert content(together) == expected
        assert together.meta.num_words > 1000


def test_errors_are_those_of_one_process(several, path, tmp_path):
    with open(path, "ab") as file:
        file.write(b"\n\xff\n")
    with pytest.raises(ConfigurationError, match=r"text\.txt, line 501: expected text in UTF-8"):
        make(reader(), path, tmp_path, "cache")
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(ConfigurationError, match=r"empty\.txt: expected at least one line, got none"):
        make(reader(), str(tmp_path / "empty.txt"), tmp_path, "cache")


class Dying(WhitespaceTokenizer):
    """Kills its process, unless that is the one that made it."""

    def __init__(self):
        self.process = os.getpid()

    def split_words(self, text):
        if os.getpid() != self.process:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().split_words(text)


def test_a_killed_process_is_made_up_for(several, path, tmp_path, caplog):
    with caplog.at_level("INFO"):
        corpus = make(reader(tokenizer=Dying()), path, tmp_path, "cache")
    assert "since one of several failed" in caplog.text
    assert "killed by SIGKILL" in caplog.text
    assert corpus.num_texts > 300


class Shouting(SimpleLanguageModelingDatasetReader):
    def text_to_instance(self, sentence):
        return super().text_to_instance(sentence.upper())


def test_who_works_alone(several, path, monkeypatch):
    files = find_files(path)
    assert words_of_reader.number_of_processes(reader(), files) == 3
    for one in (
        reader(max_instances=3),
        reader(max_sequence_length=5),
        Shouting(WhitespaceTokenizer()),
        SequenceTaggingDatasetReader(),
    ):
        assert words_of_reader.number_of_processes(one, files) == 1
    monkeypatch.setattr(words_of_reader, "BYTES_WORTH_PROCESSES", 10**6)
    assert words_of_reader.number_of_processes(reader(), files) == 1


def test_the_whole_text_whatever_the_readers_share(path, tmp_path):
    one = reader()
    one._set_distributed_info(DistributedInfo(2, 1))
    one._set_worker_info(WorkerInfo(2, 0))
    assert content(make(one, path, tmp_path, "share")) == content(make(reader(), path, tmp_path, "all"))
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
