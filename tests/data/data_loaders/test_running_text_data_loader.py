import itertools

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.runtime.environment import run_seed, set_run_seed
from nlpreg.data import DataLoader, Vocabulary
from nlpreg.data.data_loaders import RunningTextDataLoader, id_corpus_data_loader, running_text_data_loader
from nlpreg.data.dataset_readers import SimpleLanguageModelingDatasetReader
from nlpreg.data.id_corpus import IdFile
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer
from nlpreg.data.tokenizers import WhitespaceTokenizer

NUM_WORDS = 101


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(running_text_data_loader, "WINDOWS_AT_ONCE", 3)
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

    def make_loader(**config):
        reader = SimpleLanguageModelingDatasetReader(WhitespaceTokenizer())
        params = Params({"type": "running_text", "cache_dir": str(tmp_path / "cache"), **config})
        loader = DataLoader.from_params(params, reader=reader, data_path=str(path))
        loader.index_with(vocab)
        return loader

    return make_loader


def ids_of(batch):
    return batch["source"]["tokens"]["tokens"]


def places(batch):
    """The number of each word in the text, None for padding."""
    return [[i - 2 if i else None for i in row] for row in ids_of(batch).tolist()]


def on_ranks(monkeypatch, make, world_size, **config):
    """The batches of each rank."""
    for rank in range(world_size):
        monkeypatch.setattr(
            running_text_data_loader, "rank_and_world_size", lambda rank=rank: (rank, world_size)
        )
        yield [places(batch) for batch in make(**config)]


@pytest.mark.parametrize("batch_size", [1, 4, 7, 101])
@pytest.mark.parametrize("bptt", [1, 5, 24, 200])
@pytest.mark.parametrize("variable", [False, True])
def test_streams_go_on_and_hold_every_word_once(make, batch_size, bptt, variable):
    loader = make(batch_size=batch_size, bptt=bptt, overlap=0, variable_bptt=variable)
    batches = [places(batch) for batch in loader]
    assert len(batches) > 0
    streams = [list(itertools.chain.from_iterable(rows)) for rows in zip(*batches, strict=True)]
    for stream in streams:
        assert None not in stream[:-1]
    text = [place for stream in streams for place in stream if place is not None]
    assert text == list(range(NUM_WORDS))
    lengths = [sum(place is not None for place in stream) for stream in streams]
    assert max(lengths) - min(lengths) <= 1
    if not variable:
        sizes = [max(map(len, batch)) for batch in batches]
        assert max(sizes) <= max(bptt, 2)
        assert set(sizes[:-2]) <= {bptt}


@pytest.mark.parametrize("batch_size", [1, 4, 7])
@pytest.mark.parametrize("bptt", [1, 5, 24, 200])
@pytest.mark.parametrize("world_size", [1, 2])
def test_with_an_overlap_of_one_each_word_is_predicted_once(make, monkeypatch, batch_size, bptt, world_size):
    predicted = []
    lengths = set()
    for batches in on_ranks(monkeypatch, make, world_size, batch_size=batch_size, bptt=bptt):
        lengths.add(len(batches))
        for row in itertools.chain.from_iterable(batches):
            for before, word in itertools.pairwise(row):
                if word is not None:
                    assert word == before + 1
                    predicted.append(word)
    assert sorted(predicted) == list(range(1, NUM_WORDS))
    assert len(lengths) == 1


def test_ranks_have_streams_of_their_own(make, monkeypatch):
    seen = []
    for batches in on_ranks(monkeypatch, make, 3, batch_size=2, bptt=4, overlap=0):
        seen.append({place for batch in batches for row in batch for place in row} - {None})
    assert set.union(*seen) == set(range(NUM_WORDS))
    assert sum(map(len, seen)) == NUM_WORDS


def test_a_batch_in_numbers(make):
    first, second, *_ = (places(batch) for batch in make(batch_size=2, bptt=3))
    assert first == [[0, 1, 2, 3], [51, 52, 53, 54]]
    assert second == [[3, 4, 5, 6], [54, 55, 56, 57]]
    batch = next(iter(make(batch_size=2, bptt=3)))
    assert ids_of(batch).dtype == torch.long


@pytest.mark.parametrize("config", [{}, {"shuffle": True}, {"variable_bptt": True}, {"batches_per_epoch": 4}])
def test_a_position_is_enough_to_go_on(make, config):
    config = {"batch_size": 3, "bptt": 4, **config}
    unbroken = make(**config)
    epochs = [[places(batch) for batch in unbroken] for _ in range(3)]
    for stop in range(len(epochs[1])):
        loader = make(**config)
        list(loader)
        batches = iter(loader)
        begun = [places(next(batches)) for _ in range(stop)]
        state = loader.state_dict()
        assert all(isinstance(value, (int, str)) for value in state.values())
        other = make(**config)
        other.load_state_dict(state)
        assert begun + [places(batch) for batch in other] == epochs[1]
        assert [places(batch) for batch in other] == epochs[2]


def read_ranges(monkeypatch):
    """Which words of files are read from now on."""
    ranges = []
    read = IdFile.read

    def noting(self, start, stop):
        ranges.append((int(start), int(stop)))
        return read(self, start, stop)

    monkeypatch.setattr(IdFile, "read", noting)
    return ranges


def test_going_on_reads_nothing_again(make, monkeypatch):
    loader = make(batch_size=2, bptt=3)
    batches = iter(loader)
    for _ in range(14):
        next(batches)
    other = make(batch_size=2, bptt=3)
    other.load_state_dict(loader.state_dict())
    ranges = read_ranges(monkeypatch)
    assert len(list(other)) == 3
    # the streams begin at the words 0 and 51
    assert min(start for start, _ in ranges) == 14 * 3
    assert not any(start < 51 + 14 * 3 and stop > 51 + 1 for start, stop in ranges)


def test_ranks_read_nothing_of_each_other(make, monkeypatch):
    seen = []
    for rank in range(2):
        monkeypatch.setattr(running_text_data_loader, "rank_and_world_size", lambda rank=rank: (rank, 2))
        loader = make(batch_size=3, bptt=4, targets=True)
        with monkeypatch.context() as patch:
            ranges = read_ranges(patch)
            list(loader)
        seen.append((min(start for start, _ in ranges), max(stop for _, stop in ranges)))
    (first, middle), (start, last) = seen
    assert (first, last) == (0, NUM_WORDS + 1)
    assert middle == start + 1  # the word after the last one, which it predicts


@pytest.mark.parametrize(
    ("name", "value"), [("batch_size", 3), ("bptt", 5), ("variable_bptt", True), ("shuffle", True)]
)
def test_a_position_of_other_settings_is_refused(make, name, value):
    loader = make(batch_size=2, bptt=4)
    batches = iter(loader)
    next(batches)
    other = make(**{"batch_size": 2, "bptt": 4, name: value})
    with pytest.raises(ConfigurationError, match=f"expected the same {name} to resume within a pass"):
        other.load_state_dict(loader.state_dict())
    list(batches)
    other.load_state_dict(loader.state_dict())  # at the beginning of a pass nothing depends on them
    assert other.state_dict()["epoch"] == 1


def test_a_position_in_another_text_or_of_other_ranks_is_refused(make, tmp_path, monkeypatch):
    loader = make(batch_size=2, bptt=4)
    next(iter(loader))
    state = loader.state_dict()
    monkeypatch.setattr(id_corpus_data_loader, "rank_and_world_size", lambda: (0, 2))
    with pytest.raises(ConfigurationError, match="the same world_size to resume .*, 1, got 2"):
        make(batch_size=2, bptt=4).load_state_dict(state)
    monkeypatch.undo()
    make(batch_size=2, bptt=4).load_state_dict(state)
    with open(tmp_path / "text.txt", "a") as file:
        file.write("w0\n")
    with pytest.raises(ConfigurationError, match="the same text to resume"):
        make(batch_size=2, bptt=4).load_state_dict(state)


def test_lengths_are_known(make):
    for config in (
        {"bptt": 4},
        {"bptt": 4, "variable_bptt": True},
        {"bptt": 4, "shuffle": True},
        {"batches_per_epoch": 5},
    ):
        loader = make(batch_size=3, **config)
        for _ in range(3):
            expected = len(loader)
            assert len(list(loader)) == expected


def test_shuffling_cuts_elsewhere_and_follows_the_seed(make):
    loader = make(batch_size=2, bptt=9, shuffle=True)
    first = [places(next(iter(loader)))[0][0]]
    for _ in range(20):
        list(loader)
        first.append(loader._layout(loader.state_dict()["data_pass"]).offset)
    assert len(set(first)) > 3
    assert max(first) < 9
    one = [places(batch) for batch in make(batch_size=2, bptt=9, shuffle=True, variable_bptt=True)]
    set_run_seed(12345)
    two = [places(batch) for batch in make(batch_size=2, bptt=9, shuffle=True, variable_bptt=True)]
    assert one != two


def test_the_vocabulary_comes_from_one_pass(make):
    (instance,) = make(batch_size=2).iter_instances()
    vocab = Vocabulary.from_instances([instance], min_count={"tokens": 1})
    assert vocab.get_vocab_size("tokens") == NUM_WORDS + 2
    assert vocab.get_token_from_index(2) == "w0"


def test_bad_numbers(make, tmp_path):
    for name, value in (("batch_size", 0), ("bptt", 0), ("overlap", -1), ("batches_per_epoch", 0)):
        with pytest.raises(ValueError, match=f"{name}: expected"):
            make(**{"batch_size": 2, name: value})
    with pytest.raises(
        ConfigurationError, match=r"as many words as streams \(102\), got 101; make batch_size smaller"
    ):
        len(make(batch_size=102))
    reader = SimpleLanguageModelingDatasetReader(WhitespaceTokenizer())
    loader = RunningTextDataLoader(reader, str(tmp_path / "text.txt"), batch_size=2, cache=False)
    with pytest.raises(ValueError, match=r"call index_with\(vocab\) before iterating"):
        next(iter(loader))


def test_a_language_model_sees_each_word_once(make):
    from nlpreg.models import LanguageModel
    from nlpreg.modules import Embedding
    from nlpreg.modules.seq2seq_encoders import PassThroughEncoder
    from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder

    loader = make(batch_size=3, bptt=5)
    vocab = Vocabulary.from_instances(loader.iter_instances())
    loader.index_with(vocab)
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(4, num_embeddings=vocab.get_vocab_size())})
    model = LanguageModel(vocab, embedder, PassThroughEncoder(4))
    assert sum(model(**batch)["batch_weight"].item() for batch in loader) == NUM_WORDS - 1


@pytest.mark.parametrize("batch_size", [1, 4, 7, 101])
@pytest.mark.parametrize("bptt", [1, 5, 24, 200])
@pytest.mark.parametrize("world_size", [1, 2])
def test_targets_are_the_words_after(make, monkeypatch, batch_size, bptt, world_size):
    if batch_size * world_size > NUM_WORDS:
        return
    read, predicted = [], []
    for rank in range(world_size):
        monkeypatch.setattr(
            running_text_data_loader, "rank_and_world_size", lambda rank=rank: (rank, world_size)
        )
        for batch in make(batch_size=batch_size, bptt=bptt, targets=True):
            targets = batch["target"]["tokens"]["tokens"].tolist()
            for row, after in zip(places(batch), targets, strict=True):
                words = [place for place in row if place is not None]
                following = [i - 2 for i in after if i]
                last = NUM_WORDS - 1
                assert following == [place + 1 for place in words if place < last]
                read += words
                predicted += following
    assert sorted(read) == list(range(NUM_WORDS))
    assert sorted(predicted) == list(range(1, NUM_WORDS))


def test_targets_come_from_indexers_of_single_ids(make, tmp_path):
    with pytest.raises(ValueError, match="overlap: expected 0 with targets, got 1; leave it out"):
        make(batch_size=2, targets=True, overlap=1)
    indexers = {"tokens": SingleIdTokenIndexer(), "characters": TokenCharactersIndexer(min_padding_length=2)}
    reader = SimpleLanguageModelingDatasetReader(WhitespaceTokenizer(), indexers)
    arguments = {"batch_size": 2, "targets": True, "cache": False}
    loader = RunningTextDataLoader(reader, str(tmp_path / "text.txt"), **arguments)
    loader.index_with(Vocabulary.from_instances(loader.iter_instances()))
    batch = next(iter(loader))
    assert set(batch["source"]) == {"tokens", "characters"}
    assert set(batch["target"]) == {"tokens"}
    del indexers["tokens"]
    loader = RunningTextDataLoader(reader, str(tmp_path / "text.txt"), **arguments)
    loader.index_with(Vocabulary.from_instances(loader.iter_instances()))
    with pytest.raises(
        ConfigurationError, match="targets: expected a token indexer that gives an id for each word"
    ):
        next(iter(loader))


@pytest.mark.parametrize(("batch_size", "bptt"), [(1, 7), (3, 5), (3, 200)])
def test_a_stateful_model_predicts_from_all_that_came_before(make, batch_size, bptt):
    """Its loss over a pass, however it is cut, is that of the same streams in one piece."""
    loader = make(batch_size=batch_size, bptt=bptt, targets=True)
    model = language_model(loader, stateful=True).eval()
    total = words = 0.0
    with torch.no_grad():
        for batch in loader:
            output = model(**batch)
            total += (output["loss"] * output["batch_weight"]).item()
            words += output["batch_weight"].item()
        whole = next(iter(make(batch_size=batch_size, bptt=1000, targets=True)))
        model._contextualizer.reset_states()
        expected = model(**whole)
    assert words == expected["batch_weight"].item() == NUM_WORDS - 1
    assert total / words == pytest.approx(expected["loss"].item(), rel=1e-5)


def language_model(loader, stateful):
    from nlpreg.models import LanguageModel
    from nlpreg.modules import Embedding
    from nlpreg.modules.seq2seq_encoders import LstmSeq2SeqEncoder
    from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder

    vocab = Vocabulary.from_instances(loader.iter_instances())
    loader.index_with(vocab)
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(4, num_embeddings=vocab.get_vocab_size())})
    return LanguageModel(vocab, embedder, LstmSeq2SeqEncoder(4, 6, stateful=stateful))
