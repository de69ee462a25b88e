from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import pytest
import torch

from nlpreg.common import Params
from nlpreg.data import DataLoader, Vocabulary
from nlpreg.data.data_loaders import MultiTaskDataLoader
from nlpreg.data.data_loaders.multitask_epoch_sampler import WeightedSampler
from nlpreg.data.data_loaders.multitask_scheduler import HomogeneousRoundRobinScheduler
from nlpreg.data.dataset_readers import MultiTaskDatasetReader

Make = Callable[..., MultiTaskDataLoader]


def flat(lists: Iterable[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


@pytest.fixture
def make(reader: Any, number_vocab: Vocabulary) -> Make:
    """Makes a loader of two tasks, of 10 and of 4 instances, in batches of 3 of one task."""

    def make(**arguments: Any) -> MultiTaskDataLoader:
        readers = MultiTaskDatasetReader({"a": reader, "b": type(reader)()})
        scheduler = HomogeneousRoundRobinScheduler(3)
        loader = MultiTaskDataLoader(readers, {"a": "10", "b": "4"}, scheduler, **arguments)
        loader.index_with(number_vocab)
        return loader

    return make


def epoch_of(loader: MultiTaskDataLoader) -> list[tuple[str, list[int]]]:
    """Task and numbers of each batch."""
    batches: list[Any] = list(loader)
    assert all(len(set(batch["task"])) == 1 for batch in batches)
    return [(batch["task"][0], list(batch["number"])) for batch in batches]


def numbers(epoch: list[tuple[str, list[int]]], task: str) -> list[int]:
    return [number for name, batch in epoch if name == task for number in batch]


@pytest.mark.parametrize("limits", [None, {"a": 4}, {"a": 4, "b": 2}])
def test_everything_of_every_task(make: Make, limits: dict[str, int] | None) -> None:
    loader = make(max_instances_in_memory=limits)
    first, second = epoch_of(loader), epoch_of(loader)
    assert first != second
    for epoch in (first, second):
        assert [task for task, _ in epoch] == ["a", "b", "a", "b", "a", "a"]
        assert sorted(numbers(epoch, "a")) == list(range(10))
        assert sorted(numbers(epoch, "b")) == list(range(4))
    if limits is None:
        assert len(loader) == 6


def test_without_shuffling(make: Make) -> None:
    epoch = epoch_of(make(shuffle=False))
    assert numbers(epoch, "a") == list(range(10))
    assert numbers(epoch, "b") == list(range(4))


@pytest.mark.parametrize("limits", [None, {"a": 4, "b": 2}])
def test_shares_of_an_epoch_go_on_where_the_last_stopped(make: Make, limits: Any) -> None:
    loader = make(
        sampler=WeightedSampler({"a": 3, "b": 1}),
        instances_per_epoch=8,
        max_instances_in_memory=limits,
    )
    assert len(loader) == 3
    epochs = [epoch_of(loader) for _ in range(4)]
    assert [len(epoch) for epoch in epochs] == [3] * 4
    stream = flat(numbers(epoch, "a") for epoch in epochs)
    assert sorted(stream[:10]) == sorted(stream[10:20]) == list(range(10))
    assert stream[:10] != stream[10:20]
    assert sorted(flat(numbers(epoch, "b") for epoch in epochs)[:4]) == list(range(4))


@pytest.mark.parametrize("limits", [None, {"a": 4, "b": 2}])
@pytest.mark.parametrize("per_epoch", [None, 9])
def test_any_place_can_be_gone_back_to(make: Make, limits: Any, per_epoch: int | None) -> None:
    arguments: dict[str, Any] = {"max_instances_in_memory": limits}
    if per_epoch is not None:
        arguments.update(sampler=WeightedSampler({"a": 1, "b": 1}), instances_per_epoch=per_epoch)
    loader = make(**arguments)
    epochs, states = [], []
    for _ in range(3):
        batches = []
        for batch in loader:
            states.append((len(epochs), len(batches) + 1, loader.state_dict()))
            batches.append((batch["task"][0], list(batch["number"])))
        epochs.append(batches)
        states.append((len(epochs), 0, loader.state_dict()))
    for epoch, done, state in states[:-1]:
        resumed = make(**arguments)
        resumed.load_state_dict(state)
        assert epoch_of(resumed) == [*epochs, []][epoch][done:]
        for later in epochs[epoch + 1 :]:
            assert epoch_of(resumed) == later


def test_an_abandoned_epoch_starts_again(make: Make) -> None:
    loader = make(sampler=WeightedSampler({"a": 1, "b": 1}), instances_per_epoch=6)
    expected = epoch_of(make(sampler=WeightedSampler({"a": 1, "b": 1}), instances_per_epoch=6))
    next(iter(loader))
    assert epoch_of(loader) == expected


def test_instances_of_all_tasks(make: Make) -> None:
    tasks = [instance["task"].metadata for instance in make().iter_instances()]
    assert tasks == ["a"] * 10 + ["b"] * 4


def test_device(make: Make) -> None:
    assert make().cuda_device == torch.device("cpu")
    assert make(cuda_device=-1).cuda_device == torch.device("cpu")
    batch = next(iter(make(cuda_device="meta")))
    assert batch["text"]["tokens"]["tokens"].device.type == "meta"


def test_arguments_that_contradict_each_other(reader: Any) -> None:
    readers = MultiTaskDatasetReader({"a": reader})
    scheduler = HomogeneousRoundRobinScheduler(2)
    with pytest.raises(ValueError, match=r"each task of the reader \(\['a'\]\), got \['b'\]"):
        MultiTaskDataLoader(readers, {"b": "3"}, scheduler)
    with pytest.raises(ValueError, match="expected a sampler too"):
        MultiTaskDataLoader(readers, {"a": "3"}, scheduler, instances_per_epoch=3)
    with pytest.raises(ValueError, match="before index_with"):
        iter(MultiTaskDataLoader(readers, {"a": "3"}, scheduler))


def test_from_config(reader: Any) -> None:
    loader = DataLoader.from_params(
        Params(
            {
                "type": "multitask",
                "scheduler": {"batch_size": 2},
                "sampler": "uniform",
                "instances_per_epoch": 4,
                "num_workers": {"a": 1},
                "instance_queue_size": {"a": 100},
            }
        ),
        reader=MultiTaskDatasetReader({"a": reader}),
        data_path={"a": "5"},
    )
    assert isinstance(loader, MultiTaskDataLoader)
    assert len(loader) == 2
    assert loader._loaders["a"].num_workers == 1
