import os
import random

import pytest
import torch

from nlpreg.data import DatasetReader, Vocabulary
from nlpreg.data.data_loaders import MultiProcessDataLoader, SimpleDataLoader
from nlpreg.data.dataset_readers import (
    ConlluDatasetReader,
    SequenceTaggingDatasetReader,
    SimpleLanguageModelingDatasetReader,
    TextClassificationJsonReader,
)
from nlpreg.data.dataset_readers.dataset_reader import DistributedInfo
from nlpreg.data.instance_cache import instance_cache
from nlpreg.data.samplers import BucketBatchSampler
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer
from nlpreg.data.tokenizers import LettersDigitsTokenizer, Tokenizer, WhitespaceTokenizer


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "instances"
    monkeypatch.setattr(instance_cache, "INSTANCE_CACHE", folder)
    monkeypatch.setattr(instance_cache, "LEAST_BYTES", 1)
    monkeypatch.delenv("NLPREG_NO_CACHE", raising=False)
    return folder


@pytest.fixture
def reads(monkeypatch):
    """How often a file has been read."""
    calls = []
    read = DatasetReader.read

    def counting(self, path):
        calls.append(path)
        return read(self, path)

    monkeypatch.setattr(DatasetReader, "read", counting)
    return calls


@pytest.fixture
def path(tmp_path):
    """Tagged sentences, with words of all alphabets, some of them frequent."""
    generator = random.Random(3)
    words = ["the", "dog", "Ünïcode", "字", "a", "b", "c", "\U0001f600", "..."]
    lines = [
        " ".join(
            f"{generator.choice(words)}###T{generator.randrange(4)}" for _ in range(generator.randrange(1, 9))
        )
        for _ in range(57)
    ]
    path = tmp_path / "sentences.txt"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def reader(**kwargs):
    indexers = {
        "tokens": SingleIdTokenIndexer(lowercase_tokens=True),
        "characters": TokenCharactersIndexer(min_padding_length=3),
    }
    return SequenceTaggingDatasetReader(token_indexers=indexers, **kwargs)


def batches_of(loader):
    vocab = Vocabulary.from_instances(loader.iter_instances(), min_count={"tokens": 2})
    loader.index_with(vocab)
    return vocab, [batch for _ in range(2) for batch in loader]


def assert_same(first, second):
    assert type(first) is type(second)
    if isinstance(first, dict):
        assert list(first) == list(second)
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype
        assert torch.equal(first, second)
    else:
        assert first == second


MAKERS = [
    lambda path: MultiProcessDataLoader(reader(), path, batch_size=5, shuffle=True, quiet=True),
    lambda path: MultiProcessDataLoader(reader(), path, batch_sampler=BucketBatchSampler(5), quiet=True),
    lambda path: MultiProcessDataLoader(reader(), path, batch_size=5, num_workers=1, quiet=True),
    lambda path: SimpleDataLoader.from_dataset_reader(reader(), path, 5, shuffle=True, quiet=True),
]


@pytest.mark.parametrize("make", MAKERS)
def test_batches_and_vocabulary_are_the_same_with_the_cache(make, path, reads, monkeypatch, cache):
    monkeypatch.setenv("NLPREG_NO_CACHE", "1")
    vocab, expected = batches_of(make(path))
    assert not cache.exists()
    monkeypatch.delenv("NLPREG_NO_CACHE")
    for _ in range(3):
        found_vocab, found = batches_of(make(path))
        assert found_vocab == vocab
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    assert len(reads) == 2  # without the cache, and the first time with it
    assert len(list(cache.iterdir())) == 1


def load(path, **kwargs):
    return list(SimpleDataLoader.from_dataset_reader(reader(**kwargs), path, 5, quiet=True).iter_instances())


def words(instances):
    return [instance["tokens"].words for instance in instances]


def test_what_changes_the_instances_is_another_entry(path, reads, cache):
    assert words(load(path)) == words(load(path))
    assert len(reads) == 1
    assert len(load(path, max_instances=3)) == 3
    load(path, word_tag_delimiter="##")
    assert len(reads) == 3
    with open(path, "a") as file:
        file.write("more###T1\n")
    assert words(load(path))[-1] == ["more"]
    assert len(reads) == 4
    assert len(list(cache.iterdir())) == 4


def test_token_indexers_are_laid_over_what_is_found(path, reads):
    load(path)
    other = SequenceTaggingDatasetReader(token_indexers={"only": SingleIdTokenIndexer("x")})
    loader = SimpleDataLoader.from_dataset_reader(other, path, 5, quiet=True)
    assert len(reads) == 1
    vocab = Vocabulary.from_instances(loader.iter_instances())
    assert vocab.get_namespaces() == {"x", "labels"}


def test_each_rank_has_its_share(path, reads):
    shares = []
    for rank in (0, 1, 0, 1):
        one = reader()
        one._set_distributed_info(DistributedInfo(2, rank))
        loader = SimpleDataLoader.from_dataset_reader(one, path, 5, quiet=True)
        shares.append(words(loader.iter_instances()))
    assert len(reads) == 2
    assert shares[:2] == shares[2:]
    assert sorted(shares[0] + shares[1]) == sorted(words(load(path)))


@pytest.mark.parametrize("damage", ["cut", "rubbish", "empty", "one bit"])
def test_damaged_entries_are_read_anew_and_replaced(path, reads, cache, caplog, damage):
    expected = words(load(path))
    (entry,) = cache.iterdir()
    content = bytearray(entry.read_bytes())
    if damage == "one bit":
        content[len(content) // 3] ^= 4
    entry.write_bytes({"cut": content[:-40], "rubbish": b"PK\3\4 no", "empty": b""}.get(damage, content))
    with caplog.at_level("WARNING"):
        assert words(load(path)) == expected
    assert "this part of the cache is damaged" in caplog.text
    assert len(reads) == 2
    assert words(load(path)) == expected
    assert len(reads) == 2


def test_half_written_entries_are_not_looked_at(path, reads, cache, monkeypatch):
    def dies(file, **arrays):
        file.write(b"PK")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(instance_cache.np, "savez", dies)
        with pytest.raises(KeyboardInterrupt):
            load(path)
    assert not list(cache.iterdir())
    (cache / ".abc.npz.tmp").write_bytes(b"PK")  # as a killed process would leave it
    load(path)
    assert len(reads) == 2


def test_the_cache_forgets_what_was_used_longest_ago(path, cache, monkeypatch):
    load(path)
    (first,) = cache.iterdir()
    load(path, max_instances=20)
    (second,) = set(cache.iterdir()) - {first}
    os.utime(first, (1, 1))
    os.utime(second, (2, 2))
    load(path)  # so that the first was used last
    assert first.stat().st_mtime > 2
    monkeypatch.setattr(instance_cache, "MOST_BYTES", 2 * first.stat().st_size)
    load(path, max_instances=56)
    assert first.exists()
    assert not second.exists()


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(path, cache, caplog):
    cache.write_text("a file")
    with caplog.at_level("WARNING"):
        assert len(load(path)) == 57
    assert "could not be kept for later runs" in caplog.text


def test_what_is_larger_than_the_cache_is_not_kept(path, cache, monkeypatch, caplog):
    monkeypatch.setattr(instance_cache, "MOST_BYTES", 100)
    with caplog.at_level("INFO"):
        load(path)
    assert "larger than the whole cache" in caplog.text
    assert not cache.exists()


class OwnReader(SequenceTaggingDatasetReader):
    pass


class OwnTokenizer(WhitespaceTokenizer):
    pass


def test_nothing_of_others_is_kept(path, cache):
    Tokenizer.register("own_for_cache")(OwnTokenizer)
    for one in (
        OwnReader(),
        SimpleLanguageModelingDatasetReader(OwnTokenizer()),
        SequenceTaggingDatasetReader(skip_bad_lines=True),
    ):
        SimpleDataLoader.from_dataset_reader(one, path, 5, quiet=True)
    assert not cache.exists()


def test_small_files_are_not_kept(path, cache, monkeypatch):
    monkeypatch.setattr(instance_cache, "LEAST_BYTES", 1 << 18)
    load(path)
    assert not cache.exists()


def test_other_readers_of_this_package(tmp_path, reads):
    (tmp_path / "a.jsonl").write_text('{"text": "a b2", "label": "x"}\n{"text": "é", "label": 3}\n')
    (tmp_path / "b.conllu").write_text("# c\n1\ta\t_\tX\t_\t_\t0\t_\t_\t_\n2\tb\t_\tY\t_\t_\t0\t_\t_\t_\n\n")
    (tmp_path / "c.txt").write_text("a b\n\nc\n")
    for one, name, times in (
        (TextClassificationJsonReader(tokenizer=WhitespaceTokenizer()), "a.jsonl", 1),
        # whose tokens know where they stand, which is not kept
        (TextClassificationJsonReader(tokenizer=LettersDigitsTokenizer()), "a.jsonl", 2),
        (ConlluDatasetReader(), "b.conllu", 1),
        (SimpleLanguageModelingDatasetReader(WhitespaceTokenizer(), start_tokens=["<S>"]), "c.txt", 1),
    ):
        before = len(reads)
        loaders = [
            SimpleDataLoader.from_dataset_reader(one, str(tmp_path / name), 5, quiet=True) for _ in range(2)
        ]
        first, second = ([instance.fields for instance in loader.iter_instances()] for loader in loaders)
        assert first == second
        assert len(reads) - before == times
