"""The worker processes of the multiprocess loader: where batches are made, and what becomes of errors, deaths and numbers drawn."""

import gc
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import DatasetReader, Instance
from nlpreg.data.data_loaders import MultiProcessDataLoader, WorkerError
from nlpreg.data.data_loaders.data_collator import DataCollator
from nlpreg.data.fields import MetadataField

COUNT = 23

Make = Callable[..., MultiProcessDataLoader]

IN_MEMORY: list[dict[str, Any]] = [{}, {"num_workers": 1}]
STREAMED: list[dict[str, Any]] = [
    {"max_instances_in_memory": 5, "num_workers": number} for number in (0, 1, 3)
]


def numbers_of(batches: Iterable[Any]) -> list[list[int]]:
    return [list(batch["number"]) for batch in batches]


class Marking(DataCollator):
    def __call__(self, instances: list[Instance]) -> Any:
        return {"number": [os.getpid(), len(instances)]}


@pytest.mark.usefixtures("workers_at_once")
@pytest.mark.parametrize("way", [*IN_MEMORY, *STREAMED])
def test_own_collator_and_where_it_runs(make: Make, way: dict[str, Any]) -> None:
    found = numbers_of(
        make(
            collate_fn=Marking(),
            batch_size=10,
            **{**way, **({"max_instances_in_memory": 10} if "max_instances_in_memory" in way else {})},
        )
    )
    num_workers = way.get("num_workers", 0) if "max_instances_in_memory" in way else 0
    here = [process_id == os.getpid() for process_id, _ in found]
    # one worker takes over in the middle only from readers that draw no random numbers, as those of text files
    assert here == [num_workers == 0] * 3
    assert sorted(size for _, size in found) == ([3, 10, 10] if num_workers < 3 else [7, 8, 8])


class Failing(DatasetReader):
    def __init__(self, after: int) -> None:
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True)
        self.after = after

    def _read(self, file_path: str) -> Iterable[Instance]:
        for number in self.shard_iterable(range(40)):
            if number == self.after:
                raise ValueError(f"data.txt, line {number}: bad")
            yield Instance({"number": MetadataField(number)})


@pytest.mark.usefixtures("workers_at_once")
@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_errors_say_where(make: Make, limit: int | None, num_workers: int) -> None:
    kind = WorkerError if num_workers else ValueError
    with pytest.raises(kind, match="data.txt, line 13: bad"):
        list(make(reader=Failing(13), max_instances_in_memory=limit, num_workers=num_workers))


class Suicidal(Failing):
    def _read(self, file_path: str) -> Iterable[Instance]:
        for instance in super()._read(file_path):
            if instance["number"].metadata == 20 and self.get_worker_info() is not None:
                os.kill(os.getpid(), signal.SIGKILL)
            yield instance


@pytest.mark.usefixtures("workers_at_once")
def test_a_worker_that_is_killed_is_an_error_and_not_a_hang(make: Make) -> None:
    loader = make(reader=Suicidal(99), max_instances_in_memory=5, num_workers=2)
    with pytest.raises(WorkerError, match="worker 0 .* was killed by SIGKILL"):
        list(loader)


@pytest.mark.usefixtures("workers_at_once")
@pytest.mark.parametrize("way", [IN_MEMORY[1], STREAMED[1]])
def test_stopping_early_and_starting_again(make: Make, way: dict[str, Any]) -> None:
    loader = make(**way)
    batches = iter(loader)
    first = next(batches)["number"]
    del batches
    assert numbers_of(loader)[0] == first
    assert len(numbers_of(loader)) == 8


class Slow(DataCollator):
    """Takes long enough for workers to help, and draws from the global generators."""

    def __call__(self, instances: list[Instance]) -> Any:
        time.sleep(0.004)
        drawn = [random.random(), float(np.random.rand()), torch.rand(()).item()]
        return {
            "number": [instance["number"].metadata for instance in instances],
            "drawn": drawn,
            "at": os.getpid(),
        }


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_batches_that_take_long_are_made_in_workers(make: Make, num_workers: int) -> None:
    def loader() -> MultiProcessDataLoader:
        return make(shuffle=True, batch_size=1, num_workers=num_workers, collate_fn=Slow())

    batches: list[Any] = list(loader())
    assert numbers_of(batches) == numbers_of(make(shuffle=True, batch_size=1))
    assert len({batch["at"] for batch in batches}) == num_workers + 1
    assert len({number for batch in batches for number in batch["drawn"]}) == 3 * COUNT
    # the same numbers are drawn wherever a batch is made
    resumed = loader()
    resumed.load_state_dict({"epoch": 0, "batches": 6})
    rest: list[Any] = list(resumed)
    assert [batch["drawn"] for batch in rest] == [batch["drawn"] for batch in batches[6:]]
    assert any(before["at"] != after["at"] for before, after in zip(batches[6:], rest, strict=True))


def test_streaming_workers_draw_what_follows_from_the_place(make: Make) -> None:
    def loader() -> MultiProcessDataLoader:
        return make(batch_size=1, num_workers=2, max_instances_in_memory=4, collate_fn=Slow())

    batches: list[Any] = list(loader())
    assert len({number for batch in batches for number in batch["drawn"]}) == 3 * COUNT
    resumed = loader()
    resumed.load_state_dict({"epoch": 0, "batches": 5})
    assert [batch["drawn"] for batch in resumed] == [batch["drawn"] for batch in batches[5:]]


def test_a_loader_that_is_forgotten_in_the_middle_of_a_pass_leaves_no_worker(make: Make) -> None:
    # so many that the worker is not done before we look
    loader = make(2000, batches_per_epoch=6, num_workers=1, batch_size=1, collate_fn=Slow())
    list(loader)
    assert multiprocessing.active_children()
    del loader
    gc.collect()
    assert not multiprocessing.active_children()


class Strict(Failing):
    def _read(self, file_path: str) -> Iterable[Instance]:
        try:
            yield from super()._read(file_path)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error


@pytest.mark.usefixtures("workers_at_once")
@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_a_mistake_in_the_data_is_told_alike_by_workers(
    make: Make, limit: int | None, num_workers: int
) -> None:
    with pytest.raises(ConfigurationError, match="bad") as raised:
        list(make(reader=Strict(13), max_instances_in_memory=limit, num_workers=num_workers))
    assert str(raised.value) == "data.txt, line 13: bad"
    assert isinstance(raised.value, WorkerError) == (num_workers > 0)
