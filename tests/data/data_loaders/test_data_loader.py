from collections.abc import Iterator
from typing import Any

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import DataLoader, Vocabulary
from nlpreg.data.data_loaders.data_loader import ResumableDataLoader


def test_registered_names() -> None:
    assert DataLoader.list_available()[0] == "multiprocess"
    assert {"simple", "multitask"} <= set(DataLoader.list_available())


@pytest.mark.parametrize(
    "call",
    [
        iter,
        lambda loader: loader.iter_instances(),
        lambda loader: loader.index_with(Vocabulary()),
        lambda loader: loader.set_target_device(torch.device("cpu")),
    ],
)
def test_what_must_be_written(call: Any) -> None:
    with pytest.raises(NotImplementedError, match="DataLoader has no"):
        call(DataLoader())


def test_a_loader_without_a_length_and_without_a_position() -> None:
    with pytest.raises(TypeError, match="has no length"):
        len(DataLoader())
    assert DataLoader().state_dict() == {}
    DataLoader().load_state_dict({})


class Passes(ResumableDataLoader):
    """Batches that say which pass they come from and which they are in it."""

    def __init__(self, sizes: list[int], batches_per_epoch: int | None = None) -> None:
        super().__init__(batches_per_epoch)
        self.sizes = sizes
        self.closed = 0

    def _batches_of_pass(self, data_pass: int, start: int) -> Iterator[Any]:
        try:
            for number in range(start, self.sizes[data_pass % len(self.sizes)]):
                yield {"at": (data_pass, number)}
        finally:
            self.closed += 1


def places(loader: ResumableDataLoader) -> list[tuple[int, int]]:
    return [batch["at"] for batch in loader]


def test_an_epoch_is_a_pass() -> None:
    loader = Passes([3, 2])
    assert places(loader) == [(0, 0), (0, 1), (0, 2)]
    assert places(loader) == [(1, 0), (1, 1)]
    assert loader.state_dict() == {"epoch": 2, "batches": 0, "data_pass": 2, "pass_batches": 0}


def test_an_epoch_of_a_fixed_number_of_batches_goes_on_where_the_last_stopped() -> None:
    loader = Passes([3, 2], batches_per_epoch=2)
    epochs = [places(loader) for _ in range(3)]
    assert epochs == [[(0, 0), (0, 1)], [(0, 2), (1, 0)], [(1, 1), (2, 0)]]
    assert loader.state_dict() == {"epoch": 3, "batches": 0, "data_pass": 2, "pass_batches": 1}


@pytest.mark.parametrize("batches_per_epoch", [None, 1, 2, 4, 7])
def test_going_on_from_any_place_is_the_same_as_never_stopping(batches_per_epoch: int | None) -> None:
    def make() -> Passes:
        return Passes([3, 2, 4], batches_per_epoch)

    whole = make()
    expected = [places(whole) for _ in range(4)]
    for stop in range(sum(map(len, expected)) + 1):
        loader, taken, states = make(), [], [make().state_dict()]
        for _ in range(4):
            for batch in loader:
                taken.append(batch["at"])
                states.append(loader.state_dict())
        resumed = make()
        resumed.load_state_dict(states[stop])
        epoch = states[stop]["epoch"]
        rest = [places(resumed) for _ in range(4 - epoch)]
        done = sum(len(one) for one in expected[:epoch])
        assert rest[0] == expected[epoch][stop - done :]
        assert rest[1:] == expected[epoch + 1 :]


def test_the_counter_follows_the_consumer() -> None:
    loader = Passes([3])
    batches = iter(loader)
    assert loader.state_dict()["batches"] == 0
    next(batches)
    assert loader.state_dict()["batches"] == 1
    next(batches)
    assert loader.state_dict()["batches"] == 2


@pytest.mark.parametrize("batches_per_epoch", [None, 2])
def test_an_abandoned_epoch_starts_again(batches_per_epoch: int | None) -> None:
    loader = Passes([3, 3], batches_per_epoch)
    first = places(loader)
    expected_next = places(Passes([3, 3], batches_per_epoch)) and None
    batches = iter(loader)
    peeked = next(batches)["at"]
    batches.close()
    again = places(loader)
    assert again[0] == peeked
    assert again != first
    assert expected_next is None


def test_two_iterators_at_once_do_not_lose_the_place() -> None:
    loader = Passes([4])
    old = iter(loader)
    next(old)
    new = iter(loader)
    assert next(new)["at"] == (0, 0)
    del old
    assert [batch["at"] for batch in new] == [(0, 1), (0, 2), (0, 3)]


def test_what_an_iteration_holds_is_given_up_with_it() -> None:
    loader = Passes([3])
    batches = iter(loader)
    next(batches)
    batches.close()
    assert loader.closed == 1


def test_an_error_ends_the_iteration_and_the_next_starts_the_epoch_again() -> None:
    class Failing(Passes):
        broken = True

        def _batches_of_pass(self, data_pass: int, start: int) -> Iterator[Any]:
            yield from super()._batches_of_pass(data_pass, start)
            if self.broken:
                raise RuntimeError("bad line")

    loader = Failing([2])
    with pytest.raises(RuntimeError, match="bad line"):
        places(loader)
    loader.broken = False
    assert places(loader) == [(0, 0), (0, 1)]


def test_data_without_a_batch_do_not_run_for_ever() -> None:
    with pytest.raises(ConfigurationError, match="at least one of the 2 batches of an epoch, got none"):
        places(Passes([0], batches_per_epoch=2))
    assert places(Passes([0])) == []


def test_wrong_number_of_batches() -> None:
    with pytest.raises(ValueError, match="batches_per_epoch: expected 1 or more, got 0"):
        Passes([1], 0)


def test_a_state_of_epoch_and_batches_alone_will_do() -> None:
    loader = Passes([3, 3])
    loader.load_state_dict({"epoch": 1, "batches": 2})
    assert places(loader) == [(1, 2)]


def test_batches_go_to_the_device() -> None:
    class Tensors(Passes):
        def _batches_of_pass(self, data_pass: int, start: int) -> Iterator[Any]:
            yield {"x": torch.zeros(1)}

    loader = Tensors([1])
    loader.set_target_device(torch.device("meta"))
    assert next(iter(loader))["x"].device.type == "meta"


def test_passes_must_be_written() -> None:
    with pytest.raises(NotImplementedError, match="has no _batches_of_pass"):
        list(ResumableDataLoader())
