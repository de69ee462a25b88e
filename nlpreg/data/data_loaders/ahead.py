"""Batches made ahead of time by worker processes, where making one takes long enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from nlpreg.data.data_loaders.data_loader import TensorDict
from nlpreg.data.data_loaders.worker_pool import WorkerPool

# The first batches are made here, to see how long one takes.
_BATCHES_TO_TIME = 4
# Receiving a batch from a worker takes about a tenth of this.
_SECONDS_WORTH_A_WORKER = 2e-3


def made_ahead(
    make_here: Callable[[int], TensorDict],
    make_in_worker: Callable[[int], TensorDict],
    numbers: Sequence[int],
    num_workers: int,
    batches_ahead: int,
) -> Iterator[TensorDict]:
    """The batches of these numbers, in order, made by workers if that is quicker than making them here.

    Workers start as copies of this process, so that nothing is sent to them.

    Args:
        make_here: makes the batch of a number in this process.
        make_in_worker: makes it in another.
        numbers: the numbers.
        num_workers: how many workers may be started.
        batches_ahead: how many batches each may be ahead.

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
        lambda worker: map(make_in_worker, rest[worker::num_workers]), num_workers, "fork", batches_ahead
    ) as pool:
        for _, batch in pool.receive_in_turn([0] * num_workers):
            yield batch
