"""What holds for every reader of text files, and how they share work among ranks and workers."""

import gzip
import importlib.util
import itertools
import json
from collections import Counter
from pathlib import Path

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import (
    BabiReader,
    BoolQDatasetReader,
    CcgBankDatasetReader,
    Conll2000DatasetReader,
    Conll2003DatasetReader,
    ConlluDatasetReader,
    DatasetReader,
    InterleavingDatasetReader,
    MultiTaskDatasetReader,
    NextTokenLMReader,
    OntonotesNamedEntityRecognition,
    SequenceTaggingDatasetReader,
    ShardedDatasetReader,
    SimpleLanguageModelingDatasetReader,
    StanfordSentimentTreeBankDatasetReader,
    TextClassificationJsonReader,
    TextFileReader,
)
from nlpreg.data.dataset_readers.dataset_reader import DistributedInfo, WorkerInfo
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError
from nlpreg.data.tokenizers import WhitespaceTokenizer

spec = importlib.util.spec_from_file_location(
    "ontonotes_files", Path(__file__).with_name("ontonotes_files.py")
)
ontonotes_files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ontonotes_files)

WORDS = [f"w{i}" for i in range(23)]

READERS = {
    "sequence_tagging": (SequenceTaggingDatasetReader, "{}###T\n"),
    "simple_language_modeling": (
        lambda **kw: SimpleLanguageModelingDatasetReader(WhitespaceTokenizer(), **kw),
        "{}\n\n",
    ),
    "text_classification_json": (
        lambda **kw: TextClassificationJsonReader(tokenizer=WhitespaceTokenizer(), **kw),
        '{{"text": "{}"}}\n',
    ),
    "conllu": (ConlluDatasetReader, "1\t{}\tl\tX\tx\t_\t0\troot\t_\t_\n\n"),
    "conll2003": (Conll2003DatasetReader, "{} NN I-NP O\n\n"),
    "conll2000": (Conll2000DatasetReader, "{} NN B-NP\n\n"),
    "ccgbank": (CcgBankDatasetReader, "ID=1\n(<L N NN NN {} N>)\n"),
    "babi": (BabiReader, "1 {}.\n2 Who?\tX\t1\n"),
    "sst_tokens": (StanfordSentimentTreeBankDatasetReader, "(3 {})\n"),
    "boolq": (BoolQDatasetReader, '{{"passage": "{}", "question": "q"}}\n'),
    "next_token_lm": (NextTokenLMReader, "{} next\n"),
}


def word(instance):
    for name in ("tokens", "source", "context"):
        if name in instance.fields:
            return instance[name].human_readable_repr()[0]
    raise AssertionError("no text")


def everyone_reads(make_reader, path, num_ranks=2, num_workers=2):
    """What each of the processes reads, all of them together making one epoch."""
    shares = []
    for rank, worker in itertools.product(range(num_ranks), range(num_workers)):
        reader = make_reader()
        reader._set_distributed_info(DistributedInfo(num_ranks, rank))
        reader._set_worker_info(WorkerInfo(num_workers, worker))
        shares.append([word(instance) for instance in reader.read(path)])
    return shares


@pytest.mark.parametrize("name", READERS)
def test_two_ranks_with_two_workers_see_every_instance_once(name, tmp_path):
    make_reader, pattern = READERS[name]
    path = tmp_path / "data"
    path.write_text("".join(pattern.format(one) for one in WORDS))
    assert [word(instance) for instance in make_reader().read(str(path))] == WORDS
    shares = everyone_reads(make_reader, str(path))
    assert Counter(itertools.chain.from_iterable(shares)) == Counter(WORDS)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("name", READERS)
def test_max_instances_is_a_total(name, tmp_path):
    make_reader, pattern = READERS[name]
    path = tmp_path / "data"
    path.write_text("".join(pattern.format(one) for one in WORDS))
    assert [word(instance) for instance in make_reader(max_instances=5).read(str(path))] == WORDS[:5]
    shares = everyone_reads(lambda: make_reader(max_instances=5), str(path))
    assert sum(map(len, shares)) == 5
    assert list(make_reader(max_instances=0).read(str(path))) == []


@pytest.mark.parametrize("name", READERS)
def test_empty_files_and_files_that_are_not_utf8(name, tmp_path):
    make_reader, pattern = READERS[name]
    path = tmp_path / "data"
    for text in (b"", b"\n\n"):
        path.write_bytes(text)
        with pytest.raises(
            DataError, match=r"data: expected at least one \w+, got none; is this the right file\?"
        ):
            list(make_reader().read(str(path)))
    path.write_bytes(pattern.format("a").encode() * 2 + pattern.format("grün").encode("latin-1"))
    with pytest.raises(DataError, match=r"data, line \d+: expected text in UTF-8, got the byte 0xfc"):
        list(make_reader().read(str(path)))


@pytest.mark.parametrize("name", READERS)
def test_instances_go_through_vocabulary_and_tensors(name, tmp_path):
    from nlpreg.data import Batch, Vocabulary

    make_reader, pattern = READERS[name]
    path = tmp_path / "data"
    path.write_text("".join(pattern.format(one) for one in WORDS))
    instances = list(make_reader().read(str(path)))
    vocab = Vocabulary.from_instances(instances)
    batch = Batch(instances)
    batch.index_instances(vocab)
    tensors = batch.as_tensor_dict()
    (text,) = [tensors[field] for field in ("tokens", "source", "context") if field in tensors]
    ids = text["tokens"]["tokens"]
    assert [vocab.get_token_from_index(i) for i in ids[:, 0].tolist()] == WORDS


def test_ontonotes_is_shared_out_too(tmp_path):
    folder = str(ontonotes_files.write(tmp_path))
    everything = [word(instance) for instance in OntonotesNamedEntityRecognition().read(folder)]
    shares = everyone_reads(OntonotesNamedEntityRecognition, folder)
    assert sorted(itertools.chain.from_iterable(shares)) == sorted(everything)
    assert list(map(len, shares)) == [1, 1, 1, 1]


@pytest.mark.parametrize("scheme", ["round_robin", "all_at_once"])
def test_interleaving_shares_out_once(tmp_path, scheme):
    for name in "ab":
        (tmp_path / name).write_text("".join(f"{name}{one}###T\n" for one in WORDS))
    paths = {name: str(tmp_path / name) for name in "ab"}

    def make_reader(**kwargs):
        readers = {name: SequenceTaggingDatasetReader() for name in "ab"}
        return InterleavingDatasetReader(readers, scheme=scheme, **kwargs)

    shares = everyone_reads(make_reader, json.dumps(paths))
    assert Counter(itertools.chain.from_iterable(shares)) == Counter(
        f"{n}{one}" for n in "ab" for one in WORDS
    )
    assert sum(map(len, everyone_reads(lambda: make_reader(max_instances=6), paths))) == 6


def test_sharded_and_multitask_share_out_once(tmp_path):
    for i, one in enumerate(WORDS):
        (tmp_path / f"{i:02}").write_text(f"{one}###T\n")
    shares = everyone_reads(lambda: ShardedDatasetReader(SequenceTaggingDatasetReader()), str(tmp_path))
    assert sorted(itertools.chain.from_iterable(shares)) == sorted(WORDS)

    class OneTask(MultiTaskDatasetReader):
        def read(self, path):
            return super().read({"x": path}, force_task="x")

    (tmp_path / "all").write_text("".join(f"{one}###T\n" for one in WORDS))
    shares = everyone_reads(lambda: OneTask({"x": SequenceTaggingDatasetReader()}), str(tmp_path / "all"))
    assert sorted(itertools.chain.from_iterable(shares)) == sorted(WORDS)


def test_a_process_without_a_share_is_no_error(tmp_path):
    (tmp_path / "f").write_text("a###T\n")
    shares = everyone_reads(SequenceTaggingDatasetReader, str(tmp_path / "f"))
    assert sorted(map(len, shares)) == [0, 0, 0, 1]


def test_what_was_left_out_is_reported_even_if_nobody_asks_for_the_rest(tmp_path, caplog):
    (tmp_path / "f").write_text("bad\na###T\nb###T\n")
    reader = SequenceTaggingDatasetReader(skip_bad_lines=True, max_instances=1)
    assert len(list(reader.read(str(tmp_path / "f")))) == 1
    assert "left out 1 bad" in caplog.text


def test_instances_in_a_worker_get_no_indexers(tmp_path):
    (tmp_path / "f").write_text("a###T\n")
    reader = SequenceTaggingDatasetReader()
    reader._set_worker_info(WorkerInfo(1, 0))
    (instance,) = reader.read(str(tmp_path / "f"))
    with pytest.raises(ValueError, match="apply_token_indexers"):
        _ = instance["tokens"].token_indexers


def test_a_subclass_must_say_what_an_instance_is(tmp_path):
    (tmp_path / "f").write_text("a\n")
    with pytest.raises(NotImplementedError, match="TextFileReader has no _instance_of"):
        list(TextFileReader().read(str(tmp_path / "f")))


def read_words_of(name, path, **arguments):
    return [word(instance) for instance in READERS[name][0](**arguments).read(str(path))]


# Those that read nothing by themselves, or not text files, and one that is another view of "conllu".
OTHERS = {
    "conllu_language_modeling",
    "fold",
    "huggingface_datasets",
    "interleaving",
    "masked_language_modeling",
    "multitask",
    "multitask_shim",
    "ontonotes_ner",
    "plain_text_language_modeling",
    "sharded",
}


def test_no_reader_is_left_out_here():
    ours = {
        name
        for name in DatasetReader.list_available()
        if DatasetReader.by_name(name).__module__.startswith("nlpreg.")
    }
    assert ours == set(READERS) | OTHERS


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_are_no_part_of_the_text(name, end, mark, tmp_path):
    content = mark + "".join(READERS[name][1].format(one) for one in WORDS)
    (tmp_path / "data").write_bytes(content.replace("\n", end).encode("utf-8"))
    assert read_words_of(name, tmp_path / "data") == WORDS


@pytest.mark.parametrize("name", READERS)
def test_a_compressed_file_that_is_cut_off_is_named(name, tmp_path):
    lines = "".join(READERS[name][1].format(f"{one}{i}") for i in range(2000) for one in WORDS)
    whole = gzip.compress(lines.encode())
    (tmp_path / "data.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigurationError, match=r"data\.gz: the compressed file is damaged or truncated"):
        read_words_of(name, tmp_path / "data.gz")


@pytest.mark.parametrize("name", ["text_classification_json", "boolq"])
def test_half_a_surrogate_pair_is_a_bad_line(name, tmp_path):
    pattern = READERS[name][1]
    lines = [pattern.format("good"), pattern.format("\\ud83d"), pattern.format("\\ud83d\\ude00")]
    (tmp_path / "data").write_text("".join(lines))
    with pytest.raises(
        DataError, match="data, line 2: expected characters of Unicode, got half of a surrogate pair"
    ):
        read_words_of(name, tmp_path / "data")
    assert read_words_of(name, tmp_path / "data", skip_bad_lines=True) == ["good", "😀"]


@pytest.mark.parametrize("name", ["conll2003", "conll2000", "sequence_tagging", "conllu"])
@pytest.mark.parametrize("odd", ["10\u00a0000", "a\u3000b", "x\u0085y", "n\u2009n"])
def test_only_spaces_and_tabs_separate(name, odd, tmp_path):
    (tmp_path / "data").write_text(READERS[name][1].format(odd), encoding="utf-8")
    assert read_words_of(name, tmp_path / "data") == [odd]


@pytest.mark.parametrize("name", ["conll2003", "conll2000"])
def test_where_there_are_tabs_they_separate(name, tmp_path):
    line = READERS[name][1].format("New York").rstrip("\n").replace("York ", "York\t")
    head, tail = line.split("\t")
    (tmp_path / "data").write_text(head + "\t" + tail.replace(" ", "\t") + "\n\n")
    assert read_words_of(name, tmp_path / "data") == ["New York"]
    # tabs among blanks are blanks
    (tmp_path / "data").write_text(READERS[name][1].format("York").replace(" ", "\t", 1))
    assert read_words_of(name, tmp_path / "data") == ["York"]


def test_a_bool_is_no_number_of_instances():
    with pytest.raises(ConfigurationError, match="readers have no argument `lazy` any more"):
        DatasetReader(False)
