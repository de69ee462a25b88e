import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.runtime.environment import run_seed, set_run_seed
from nlpreg.data import DataLoader, Vocabulary
from nlpreg.data.data_loaders import text_blocks_data_loader
from nlpreg.data.dataset_readers import SimpleLanguageModelingDatasetReader
from nlpreg.data.id_corpus import IdFile
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer
from nlpreg.data.tokenizers import WhitespaceTokenizer

NUM_WORDS = 101


@pytest.fixture(autouse=True)
def keep_seed():
    before = run_seed()
    yield
    set_run_seed(before)


@pytest.fixture
def make(tmp_path):
    """Makes loaders of a text whose words all differ, so that each word tells its place."""
    path = tmp_path / "text.txt"
    words = [f"w{i}" for i in range(NUM_WORDS)]
    path.write_text("\n".join(" ".join(words[i : i + 7]) for i in range(0, NUM_WORDS, 7)) + "\n")
    vocab = Vocabulary(counter={"tokens": dict.fromkeys(words, 1)})

    def make_loader(indexers=None, **config):
        reader = SimpleLanguageModelingDatasetReader(WhitespaceTokenizer(), indexers)
        params = Params({"type": "text_blocks", "cache_dir": str(tmp_path / "cache"), **config})
        loader = DataLoader.from_params(params, reader=reader, data_path=str(path))
        loader.index_with(vocab)
        return loader

    return make_loader


def places(batch, field="source"):
    """The number of each word in the text."""
    return [[i - 2 for i in row] for row in batch[field]["tokens"]["tokens"].tolist()]


@pytest.mark.parametrize(("batch_size", "block_size"), [(1, 1), (1, 7), (4, 5), (3, 30), (3, 33), (100, 1)])
def test_every_block_comes_once_with_the_words_after(make, batch_size, block_size):
    loader = make(batch_size=batch_size, block_size=block_size)
    for _ in range(3):
        num_batches = len(loader)
        batches = list(loader)
        assert len(batches) == num_batches > 0
        rows = [row for batch in batches for row in places(batch)]
        assert len(rows) == num_batches * batch_size
        for row in rows:
            assert row == list(range(row[0], row[0] + block_size))
        targets = [row for batch in batches for row in places(batch, "target")]
        assert targets == [[place + 1 for place in row] for row in rows]
        starts = sorted(row[0] for row in rows)
        # All blocks of a pass begin at one offset, below a block, plus a multiple of the block's size.
        assert len({start % block_size for start in starts}) == 1
        assert len(set(starts)) == len(starts)
        num_blocks = (NUM_WORDS - 1 - starts[0] % block_size) // block_size
        assert num_blocks - len(starts) < batch_size


def test_order_and_cuts_differ_between_passes_and_seeds(make):
    loader = make(batch_size=2, block_size=9)
    passes = [[row[0] for batch in loader for row in places(batch)] for _ in range(10)]
    assert all(starts != sorted(starts) for starts in passes)
    assert len({starts[0] % 9 for starts in passes}) > 3
    assert [row[0] for batch in make(batch_size=2, block_size=9) for row in places(batch)] == passes[0]
    set_run_seed(12345)
    assert [row[0] for batch in make(batch_size=2, block_size=9) for row in places(batch)] != passes[0]


def test_ranks_share_the_blocks_of_a_pass(make, monkeypatch):
    seen, lengths = [], set()
    for rank in range(3):
        monkeypatch.setattr(text_blocks_data_loader, "rank_and_world_size", lambda rank=rank: (rank, 3))
        batches = list(make(batch_size=2, block_size=4))
        lengths.add(len(batches))
        seen += [row[0] for batch in batches for row in places(batch)]
    assert lengths == {4}
    assert len(set(seen)) == len(seen) == 4 * 3 * 2


@pytest.mark.parametrize("config", [{}, {"batches_per_epoch": 5}])
def test_resumes_from_a_position(make, config, monkeypatch):
    config = {"batch_size": 3, "block_size": 4, **config}
    unbroken = make(**config)
    epochs = [[places(batch) for batch in unbroken] for _ in range(3)]
    reads = []
    read = IdFile.read
    monkeypatch.setattr(IdFile, "read", lambda file, *bounds: reads.append(bounds) or read(file, *bounds))
    for stop in range(len(epochs[1])):
        loader = make(**config)
        list(loader)
        batches = iter(loader)
        begun = [places(next(batches)) for _ in range(stop)]
        other = make(**config)
        other.load_state_dict(loader.state_dict())
        reads.clear()
        rest = [places(batch) for batch in other]
        assert begun + rest == epochs[1]
        assert len(reads) == 3 * len(rest)  # a block each, and nothing of what was read before
        assert [places(batch) for batch in other] == epochs[2]


@pytest.mark.parametrize(("name", "value"), [("batch_size", 3), ("block_size", 5)])
def test_a_position_of_other_settings_is_refused(make, name, value):
    loader = make(batch_size=2, block_size=4)
    next(iter(loader))
    other = make(**{"batch_size": 2, "block_size": 4, name: value})
    with pytest.raises(ConfigurationError, match=f"expected the same {name} to resume within a pass"):
        other.load_state_dict(loader.state_dict())


def test_bad_numbers(make):
    for name in ("batch_size", "block_size", "batches_per_epoch"):
        with pytest.raises(ValueError, match=f"{name}: expected"):
            make(**{"batch_size": 2, "block_size": 4, name: 0})
    assert len(make(batch_size=10, block_size=10)) == 1
    with pytest.raises(
        ConfigurationError, match="at least 102 words, for a batch of 1 blocks of 101, got 101; make"
    ):
        len(make(batch_size=1, block_size=101))


def test_targets_come_from_indexers_of_single_ids(make):
    indexers = {"tokens": SingleIdTokenIndexer(), "characters": TokenCharactersIndexer(min_padding_length=2)}
    batch = next(iter(make(indexers, batch_size=2, block_size=4)))
    assert set(batch["source"]) == {"tokens", "characters"}
    assert set(batch["target"]) == {"tokens"}
    del indexers["tokens"]
    with pytest.raises(ConfigurationError, match="targets: expected a token indexer that gives an id"):
        next(iter(make(indexers, batch_size=2, block_size=4)))
