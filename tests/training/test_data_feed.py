import pytest
import torch

from nlpreg.nn.util.devices import map_tensors
from nlpreg.training.data_feed import DataFeed, digest_of_data

CPU = torch.device("cpu")


def test_the_loader_is_told_the_device_and_gives_its_batches(tiny_loader):
    loader = tiny_loader(3)
    feed = DataFeed(loader, CPU)
    assert loader.devices == [CPU]
    positions = []
    for batch in feed:
        assert batch["x"].shape == (4, 3)
        positions.append(feed.position())
    assert positions == [{"epoch": 0, "batches": n} for n in (1, 2, 3)]
    assert feed.position() == {"epoch": 1, "batches": 0}


def test_a_position_goes_on(tiny_loader):
    feed = DataFeed(tiny_loader(4), CPU)
    batches = iter(feed)
    next(batches)
    state = feed.state_dict()
    expected = [batch["x"] for batch in batches]
    loader = tiny_loader(4)
    other = DataFeed(loader, CPU)
    other.load_state_dict(state)
    other.fast_forward(0, 1)  # not needed: the loader knows
    assert all(torch.equal(batch["x"], x) for batch, x in zip(other, expected, strict=True))
    assert loader.given == [(0, 1), (0, 2), (0, 3)]


def test_a_position_can_be_held(tiny_loader):
    feed = DataFeed(tiny_loader(4), CPU)
    batches = iter(feed)
    next(batches)
    before = feed.position()
    next(batches)
    feed.hold(before)
    assert feed.state_dict()["position"] == {"epoch": 0, "batches": 1}


def test_an_exhausted_epoch_gives_nothing_until_the_next(tiny_loader):
    loader = tiny_loader(2)
    feed = DataFeed(loader, CPU)
    feed.is_exhausted = True
    assert list(feed) == []
    assert loader.given == []
    feed.start_epoch()
    assert len(list(feed)) == 2


@pytest.mark.parametrize("state", ["none", "empty"])
def test_a_loader_that_cannot_tell_its_position_is_fast_forwarded(tiny_loader, caplog, state):
    loader = tiny_loader(4)
    loader.state_dict = loader.load_state_dict = None
    if state == "empty":
        loader.state_dict = dict
        loader.load_state_dict = lambda state: None
    feed = DataFeed(loader, CPU)
    feed.load_state_dict({"position": {}, "is_exhausted": False})
    feed.fast_forward(epochs=1, batches=2)
    assert len(list(feed)) == 2
    assert loader.given == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3)]
    assert "are read again and skipped" in caplog.text


def test_no_data():
    feed = DataFeed(None, CPU)
    assert list(feed) == []
    assert feed.position() == {}


def test_tensors_in_nested_containers():
    from collections import namedtuple

    pair = namedtuple("pair", "a b")
    value = {"x": [torch.zeros(1), ("y", torch.zeros(2))], "p": pair(torch.zeros(3), None)}
    changed = map_tensors(value, lambda tensor: tensor + 1)
    assert changed["x"][0].tolist() == [1.0]
    assert changed["x"][1][0] == "y"
    assert changed["x"][1][1].tolist() == [1.0, 1.0]
    assert isinstance(changed["p"], pair)
    assert changed["p"].a.tolist() == [1.0] * 3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_for_a_gpu_are_fetched_ahead(tiny_loader):
    loader = tiny_loader(3)
    feed = DataFeed(loader, torch.device("cuda", 0))
    for index, batch in enumerate(feed):
        assert batch["x"].device.type == "cuda"
        torch.testing.assert_close(batch["x"].cpu(), loader.batch(0, index)["x"])
        assert feed.position() == {"epoch": 0, "batches": index + 1}
        assert len(loader.given) == min(3, index + 2)


@pytest.mark.parametrize(
    ("passes", "expected"), [(7, 5), (2, 2)], ids=["each epoch is a pass", "epochs of so many batches"]
)
def test_an_epoch_starts_anew_among_other_processes(tiny_loader, passes, expected):
    state = {
        "is_exhausted": True,
        "position": {"epoch": 7, "batches": 3, "data_pass": passes, "pass_batches": 2},
    }
    state["position"]["stream"] = "of other processes"
    loader, loaded = tiny_loader(4), []
    loader.state_dict = lambda: {"epoch": 0, "batches": 0, "data_pass": 0, "pass_batches": 0, "more": "fresh"}
    loader.load_state_dict = loaded.append
    feed = DataFeed(loader, CPU)
    feed.restart(state, 5)
    assert loaded == [{"epoch": 5, "batches": 0, "data_pass": expected, "pass_batches": 0, "more": "fresh"}]
    assert not feed.is_exhausted
    feed.fast_forward(5, 0)
    assert loader.given == []


def test_a_loader_without_position_is_fast_forwarded_before_an_epoch_starts_anew(tiny_loader):
    loader = tiny_loader(2)
    loader.state_dict = dict
    feed = DataFeed(loader, CPU)
    feed.restart({"is_exhausted": False, "position": {}}, 3)
    feed.fast_forward(3, 0)
    assert [epoch for epoch, _ in loader.given] == [0, 0, 1, 1, 2, 2]
    DataFeed(None, CPU).restart({"is_exhausted": False, "position": {}})


def test_the_digest_of_data_is_that_of_their_contents(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text("one\n")
        (tmp_path / name / "2.txt").write_text("two\n")
    digest = digest_of_data(str(tmp_path / "a"))
    assert digest == digest_of_data(tmp_path / "b") == digest_of_data(f"{tmp_path}/a/*.txt")
    assert digest == digest_of_data({"y": tmp_path / "a" / "2.txt", "x": [tmp_path / "a" / "1.txt"]})
    assert digest_of_data("https://example.org/data.txt") is digest_of_data(None) is None
    (tmp_path / "a" / "1.txt").write_text("one")
    (tmp_path / "a" / "2.txt").write_text("\ntwo\n")  # the same bytes in other files are other data
    assert digest_of_data(tmp_path / "a") != digest


def test_of_large_data_some_blocks_are_digested(tmp_path, monkeypatch):
    monkeypatch.setattr("nlpreg.training.data_feed._MAX_FULLY_READ", 1000)
    path = tmp_path / "large"
    path.write_bytes(bytes(100_000))
    digest = digest_of_data(path)
    path.write_bytes(bytes(99_999) + b"x")
    assert digest_of_data(path) != digest
    path.write_bytes(bytes(100_001))
    assert digest_of_data(path) != digest


@pytest.mark.parametrize("changes", [False, True])
def test_data_that_changed_are_said(tiny_loader, tmp_path, caplog, changes):
    path = tmp_path / "data.txt"
    path.write_text("a N\n")
    loader = tiny_loader()
    loader.data_path = str(path)
    state = DataFeed(loader, torch.device("cpu")).state_dict()
    if changes:
        path.write_text("a V\n")
    DataFeed(loader, torch.device("cpu")).load_state_dict(state)
    assert ("data.txt: the data have changed since the checkpoint" in caplog.text) == changes
