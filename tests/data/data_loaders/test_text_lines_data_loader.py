import itertools
import random

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.runtime.environment import run_seed, set_run_seed
from nlpreg.data import DataLoader, Vocabulary
from nlpreg.data.data_loaders import text_lines_data_loader
from nlpreg.data.dataset_readers import SimpleLanguageModelingDatasetReader
from nlpreg.data.id_corpus import IdCorpus
from nlpreg.data.tokenizers import WhitespaceTokenizer

NUM_LINES = 53


@pytest.fixture
def make(tmp_path):
    """Makes loaders of lines of different lengths, each beginning with a word of its own."""
    rng = random.Random(1)
    path = tmp_path / "text.txt"
    lines = [f"line{i} " + "x " * rng.randrange(12) for i in range(NUM_LINES)]
    path.write_text("\n".join(lines) + "\n")

    def make_loader(**config):
        reader = SimpleLanguageModelingDatasetReader(WhitespaceTokenizer())
        params = Params({"type": "text_lines", "cache_dir": str(tmp_path / "cache"), **config})
        loader = DataLoader.from_params(params, reader=reader, data_path=str(path))
        loader.index_with(Vocabulary.from_instances(loader.iter_instances()))
        loader.lines = [line.split() for line in lines]
        return loader

    return make_loader


def texts(loader, batch):
    vocab_words = loader.corpus.words
    ids = batch["source"]["tokens"]["tokens"]
    first = {
        i: loader.lexicon._entries["tokens"]["tokens"].tolist().index(i)
        for i in set(ids.flatten().tolist()) - {0}
    }
    return [[vocab_words[first[i]] for i in row if i] for row in ids.tolist()]


def epoch(loader):
    return [texts(loader, batch) for batch in loader]


SETTINGS = [
    {"batch_size": 4},
    {"batch_size": 4, "shuffle": True},
    {"batch_size": 4, "shuffle": True, "window_size": 9},
    {"batch_size": 4, "shuffle": True, "bucket": True, "window_size": 20},
    {"batch_size": 60, "bucket": True},
    {"max_tokens": 20},
    {"max_tokens": 20, "shuffle": True, "bucket": True, "window_size": 11},
    {"max_tokens": 3, "shuffle": True},
]


@pytest.mark.parametrize("config", SETTINGS, ids=str)
def test_every_line_once_in_an_epoch(make, config):
    loader = make(**config)
    for _ in range(2):
        expected = len(loader)
        batches = epoch(loader)
        assert len(batches) == expected
        assert sorted(itertools.chain.from_iterable(batches)) == sorted(loader.lines)
        if "batch_size" in config:
            assert [len(batch) for batch in batches].count(config["batch_size"]) >= len(batches) - 1
        else:
            for batch in batches:
                assert max(map(len, batch)) * len(batch) <= config["max_tokens"] or len(batch) == 1


def test_without_shuffling_the_order_is_that_of_the_file(make):
    loader = make(batch_size=5)
    assert list(itertools.chain.from_iterable(epoch(loader))) == loader.lines
    assert epoch(make(max_tokens=30)) == epoch(make(max_tokens=30))


def test_lines_of_like_length_share_a_batch(make):
    def padding(loader):
        return sum(max(map(len, batch)) * len(batch) - sum(map(len, batch)) for batch in epoch(loader))

    assert padding(make(batch_size=4, bucket=True)) < padding(make(batch_size=4)) / 2
    assert (
        padding(make(batch_size=4, bucket=True, shuffle=True)) < padding(make(batch_size=4, shuffle=True)) / 2
    )


def test_order_follows_from_seed_and_pass(make):
    config = {"batch_size": 4, "shuffle": True, "bucket": True, "window_size": 20}
    loader = make(**config)
    first, second = epoch(loader), epoch(loader)
    assert first != second
    assert epoch(make(**config)) == first
    before = run_seed()
    try:
        set_run_seed(before + 1)
        assert epoch(make(**config)) != first
    finally:
        set_run_seed(before)


@pytest.mark.parametrize("config", [*SETTINGS, {"batch_size": 4, "batches_per_epoch": 5}], ids=str)
def test_a_position_is_enough_to_go_on(make, config):
    unbroken = make(**config)
    epochs = [epoch(unbroken) for _ in range(3)]
    for stop in range(0, len(epochs[1]), 3):
        loader = make(**config)
        list(loader)
        batches = iter(loader)
        begun = [texts(loader, next(batches)) for _ in range(stop)]
        other = make(**config)
        other.load_state_dict(loader.state_dict())
        assert begun + epoch(other) == epochs[1]
        assert epoch(other) == epochs[2]


@pytest.mark.parametrize("size", [{"batch_size": 4}, {"max_tokens": 20}])
def test_going_on_reads_nothing_again(make, monkeypatch, size):
    loader = make(window_size=8, **size)
    batches = iter(loader)
    given = list(itertools.chain.from_iterable(texts(loader, next(batches)) for _ in range(len(loader) - 2)))
    other = make(window_size=8, **size)
    other.load_state_dict(loader.state_dict())
    words = []
    numbers = IdCorpus.numbers
    monkeypatch.setattr(
        IdCorpus,
        "numbers",
        lambda self, start, stop: words.append(stop - start) or numbers(self, start, stop),
    )
    assert given + list(itertools.chain.from_iterable(epoch(other))) == other.lines
    assert sum(words) == sum(map(len, other.lines[len(given) :]))


def test_a_position_of_other_settings_is_refused(make):
    loader = make(batch_size=4, shuffle=True)
    next(iter(loader))
    with pytest.raises(ConfigurationError, match="the same batch_size to resume .*, 4, got 5"):
        make(batch_size=5, shuffle=True).load_state_dict(loader.state_dict())


def test_ranks_have_shares_of_their_own(make, monkeypatch):
    seen, shares = [], []
    numbers = IdCorpus.numbers
    monkeypatch.setattr(
        IdCorpus,
        "numbers",
        lambda self, start, stop: shares[-1].append((start, stop)) or numbers(self, start, stop),
    )
    for rank in range(3):
        monkeypatch.setattr(text_lines_data_loader, "rank_and_world_size", lambda rank=rank: (rank, 3))
        loader = make(batch_size=4, shuffle=True)
        shares.append([])
        seen.append(list(itertools.chain.from_iterable(epoch(loader))))
    assert sorted(itertools.chain.from_iterable(seen)) == sorted(loader.lines)
    assert max(map(len, seen)) - min(map(len, seen)) <= 1
    for before, after in itertools.pairwise(shares):
        assert max(stop for _, stop in before) == min(start for start, _ in after)


def test_drop_last(make):
    loader = make(batch_size=4, drop_last=True, shuffle=True, window_size=8)
    assert len(loader) == NUM_LINES // 4
    assert [len(batch) for batch in epoch(loader)] == [4] * (NUM_LINES // 4)


def test_bad_arguments(make):
    for config in ({}, {"batch_size": 2, "max_tokens": 3}):
        with pytest.raises(ValueError, match="expected either batch_size or max_tokens"):
            make(**config)
    for config in ({"batch_size": 0}, {"max_tokens": 0}, {"batch_size": 1, "window_size": 0}):
        with pytest.raises(ValueError, match="expected 1 or more, got 0"):
            make(**config)
