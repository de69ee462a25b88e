"""What worker processes do ahead of time: making batches, and reading all instances into memory, where that helps."""

from __future__ import annotations

import functools
import itertools
import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TypeVar

from nlpreg.common.util import lazy_groups_of
from nlpreg.data.data_loaders.data_loader import TensorDict
from nlpreg.data.data_loaders.stream import BatchStream, InstanceStream, StreamPosition
from nlpreg.data.data_loaders.worker_pool import WorkerError, WorkerPool, as_worker_error
from nlpreg.data.fields.list_field import ListField
from nlpreg.data.fields.text_field import TextField
from nlpreg.data.instance import Instance

T = TypeVar("T")

BATCHES_AHEAD = 32
"""How many batches each worker makes before the first of them is sent, beside what is in the pipe."""

# The first batches are made here, to see how long one takes.
_BATCHES_TO_TIME = 4
# Receiving a batch from a worker takes about a tenth of this.
_SECONDS_WORTH_A_WORKER = 1e-3

# Of a stream, batches are made here until they have taken so long: data that are over by then need no worker.
_SECONDS_TO_MAKE_HERE = 0.05
# What sending and receiving a batch cost at least, and in proportion to making it.
_SECONDS_ON_THE_WAY = 100e-6
_SHARE_ON_THE_WAY = 0.15
# About how long it takes until a worker has its first batch.
_SECONDS_TO_START = {"fork": 0.04}
_SECONDS_TO_START_ANEW = 2.0


def made_ahead(
    make_here: Callable[[int], TensorDict],
    make_in_worker: Callable[[int], TensorDict],
    numbers: Sequence[int],
    num_workers: int,
) -> Iterator[TensorDict]:
    """The batches of these numbers, in order, made by workers if that is quicker than making them here.

    Workers start as copies of this process, so that nothing is sent to them.

    Args:
        make_here: makes the batch of a number in this process.
        make_in_worker: makes it in another.
        numbers: the numbers.
        num_workers: how many workers may be started.

    Raises:
        WorkerError: making a batch raised, in a worker.
    """
    seconds = []
    for number in numbers[:_BATCHES_TO_TIME]:
        started = time.perf_counter()
        batch = make_here(number)
        seconds.append(time.perf_counter() - started)
        yield batch
    rest = numbers[_BATCHES_TO_TIME:]
    if not rest or min(seconds) < _SECONDS_WORTH_A_WORKER:
        yield from map(make_here, rest)
        return
    with WorkerPool(
        lambda worker: map(make_in_worker, rest[worker::num_workers]), num_workers, "fork", BATCHES_AHEAD
    ) as pool:
        for _, batch in pool.receive_in_turn([0] * num_workers):
            yield batch


def streamed_ahead(
    stream: BatchStream, place: StreamPosition, leave_out: int, start_method: str
) -> Iterator[tuple[TensorDict, StreamPosition]]:
    """The batches of a stream behind a place, made by one worker as soon as that helps.

    The first ones are made here. A worker starts when it is clear that there are many, and that both making one and what
    is done with it take longer than the way from the worker: otherwise the two would do no more at a time than one. Until it
    has its first batch, more are made here.

    Args:
        stream: the stream.
        place: where to start.
        leave_out: make no tensors of so many batches.
        start_method: how to start the worker.

    Raises:
        WorkerError: making a batch raised, in the worker or here.
    """
    here = _with_worker_errors(stream.batches(place, leave_out=leave_out))
    taken, seconds, began = 0, 0.0, time.perf_counter()
    while not taken or seconds < _SECONDS_TO_MAKE_HERE:
        started = time.perf_counter()
        made = next(here, None)
        seconds += time.perf_counter() - started
        if made is None:
            return
        taken, place = taken + 1, made[1]
        yield made
    each, making = (time.perf_counter() - began) / taken, seconds / taken
    if not _is_worth_a_worker(making, each - making):
        yield from here
        return
    meanwhile = math.ceil(_SECONDS_TO_START.get(start_method, _SECONDS_TO_START_ANEW) / each)
    make = partial(stream.batches_of_worker, (place,), meanwhile)
    with WorkerPool(make, 1, start_method, BATCHES_AHEAD) as pool:
        yield from islice(here, meanwhile)
        here.close()
        for _, made in pool.receive_in_turn([0]):
            yield made


def _is_worth_a_worker(making: float, using: float) -> bool:
    """Whether a worker saves time, given the seconds that making a batch, and what is done with it, take."""
    way = max(_SECONDS_ON_THE_WAY, _SHARE_ON_THE_WAY * making)
    return min(making, using) > way and _num_cores() > 1


def _with_worker_errors(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items; what is raised on the way comes as it would from a worker."""
    try:
        yield from items
    except Exception as error:
        raise as_worker_error(error) from error


def _num_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


logger = logging.getLogger(__name__)

# The first instances are read here, to see how long one takes; the very first ones may wait for a model to
# load.
_INSTANCES_TO_WARM_UP = 8
_INSTANCES_TO_TIME = 56
# Reading that is quicker than this takes no longer than receiving what a worker has read.
_SECONDS_OF_READING_WORTH_A_WORKER = 300e-6

_INSTANCES_PER_MESSAGE = 256


def read_with_workers(stream: InstanceStream, start_method: str) -> Iterator[Instance]:
    """The instances of a stream, with token indexers, in the order in which one process would read them.

    Workers do not always help: what they read must be sent here. So they are started only where there are
    several, the reader divides its work, and reading the first instances here turns out to be slow.

    Raises:
        WorkerError: reading raised, in a worker or here.
    """
    try:
        instances = iter(_read_as_only_worker(stream))
        first = list(islice(instances, _INSTANCES_TO_WARM_UP))
        started = time.perf_counter()
        timed = list(islice(instances, _INSTANCES_TO_TIME))
        seconds = (time.perf_counter() - started) / _INSTANCES_TO_TIME
        is_slow = len(timed) == _INSTANCES_TO_TIME and seconds > _SECONDS_OF_READING_WORTH_A_WORKER
        if is_slow and stream.num_workers > 1 and stream.reader.manual_multiprocess_sharding:
            instances = _read_in_workers(stream, start_method)
        else:
            logger.info("reading in this process, where it takes %.0f us an instance", seconds * 1e6)
            instances = itertools.chain(first, timed, instances)
        for instance in instances:
            stream.reader.apply_token_indexers(instance)
            yield instance
    except WorkerError:
        raise
    except Exception as error:
        raise as_worker_error(error) from error
    finally:
        stream.reader.set_worker_info(None)


def _read_as_only_worker(stream: InstanceStream) -> Iterator[Instance]:
    """All instances, read here in the way a worker reads them: without token indexers."""
    return map(_without_indexers, replace(stream, num_workers=1).read(worker=0))


def _read_in_workers(stream: InstanceStream, start_method: str) -> Iterator[Instance]:
    """All instances, one of each worker in turn, which is the order that they were divided in."""
    # the reader itself may have to be sent, and must not think that it is the only worker
    stream.reader.set_worker_info(None)
    make_messages = functools.partial(_messages, stream)
    with WorkerPool(make_messages, stream.num_workers, start_method) as pool:
        waiting: dict[int, deque[Instance]] = {worker: deque() for worker in range(stream.num_workers)}
        while waiting:
            for worker, instances in list(waiting.items()):
                if not instances:
                    _, message = pool.receive(worker)
                    instances.extend(message or ())
                if instances:
                    yield instances.popleft()
                else:
                    del waiting[worker]


def _messages(stream: InstanceStream, worker: int) -> Iterator[list[Instance]]:
    """What a worker sends: instances, many at a time."""
    return lazy_groups_of(map(_without_indexers, stream.read(worker)), _INSTANCES_PER_MESSAGE)


def _without_indexers(instance: Instance) -> Instance:
    """The same instance, once it is known that no indexers would be sent along with it.

    Raises:
        ValueError: they would.
    """
    for name, field in instance.fields.items():
        while isinstance(field, ListField):
            field = field.field_list[0]
        if isinstance(field, TextField) and field.has_token_indexers:
            raise ValueError(
                f"the text field {name!r} has token indexers already, which must not be sent from worker to worker with every "
                "instance; make it without them in text_to_instance, and set them in apply_token_indexers"
            )
    return instance
