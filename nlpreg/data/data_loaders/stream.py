"""Streams of instances and of batches, as the main process and workers read them."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from nlpreg.common.iteration import groups_of
from nlpreg.common.runtime.memory import reduced_garbage_collection
from nlpreg.data.batch import index_instances
from nlpreg.data.data_loaders.data_collator import DataCollator, DefaultDataCollator
from nlpreg.data.data_loaders.data_loader import TensorDict
from nlpreg.data.dataset_readers.dataset_reader import (
    DatasetReader,
    DatasetReaderInput,
    DeferringReader,
    WorkerInfo,
)
from nlpreg.data.instance import Instance
from nlpreg.data.order import global_generators_from, order_generator, seed_global_generators
from nlpreg.data.samplers.batch_sampler import BatchSampler, set_generator
from nlpreg.data.vocabulary import Vocabulary

T = TypeVar("T")

_PLACES_AT_ONCE = 4096


def batch_indices(
    num_instances: int, batch_size: int, generator: np.random.Generator | None, drop_last: bool = False
) -> list[list[int]]:
    """The indices of the instances of each batch.

    Args:
        num_instances: how many instances there are.
        batch_size: how many go into a batch.
        generator: draws the order; None to keep it.
        drop_last: whether to drop the last batch if it is smaller.
    """
    order: list[int] = (
        list(range(num_instances)) if generator is None else generator.permutation(num_instances).tolist()
    )
    return list(groups_of(order, batch_size, drop_last))


def shuffled_stream(
    items_from: Callable[[int], Iterator[T]],
    pool_size: int,
    generator: np.random.Generator,
    drawn: int = 0,
    read: int = 0,
) -> Iterator[tuple[T, int]]:
    """Items, shuffled within a moving pool of `pool_size` of them.

    Each item replaces a random one of the pool, which is yielded. After the last item, the rest of the pool follows in random
    order. The content of the pool is therefore a function of the number of items read.

    Args:
        items_from: yields the items from a number on.
        pool_size: size of the pool.
        generator: draws the order.
        drawn: number of items of the result to skip; only items that are still needed are held.
        read: number of items that had been read by then.

    Yields:
        An item, and the number of items read so far.
    """
    # drawn first, so that the order of the rest does not depend on the number of places used
    end_generator = np.random.default_rng(int(generator.integers(2**63)))
    places = _places(pool_size, generator)
    # the numbers of the items in the pool at this position, found without reading any item
    replaced = max(0, read - pool_size)
    numbers = np.arange(min(read, pool_size))
    # of several items at one place the last one remains
    numbers[np.fromiter(islice(places, replaced), np.int64, replaced)] = pool_size + np.arange(replaced)
    first = int(numbers.min(initial=read))
    items = items_from(first)
    place_of = {number: place for place, number in enumerate(numbers.tolist())}
    held = {place_of[n]: item for n, item in zip(range(first, read), items, strict=False) if n in place_of}
    pool = [held[place] for place in range(len(held))]
    if not read:
        pool = list(islice(items, pool_size))
        read = len(pool)
    for item, place in zip(items, places, strict=False):
        out, pool[place] = pool[place], item
        read += 1
        yield out, read
    for place in end_generator.permutation(len(pool)).tolist()[drawn - replaced :]:
        yield pool[place], read


def _places(pool_size: int, generator: np.random.Generator) -> Iterator[int]:
    """Infinite iterator over random places in a pool."""
    while True:
        yield from generator.integers(pool_size, size=_PLACES_AT_ONCE).tolist()


def pick(instances: Sequence[T], indices: Sequence[int]) -> list[T]:
    """The items with these indices."""
    return [instances[index] for index in indices]


# Number of instances indexed together if they are not sampled by chunks: few at first, so that the first batch is ready
# soon, then growing. More than this would only take more memory.
_FIRST_INSTANCES_AT_ONCE = 64
_INSTANCES_AT_ONCE = 1024

# Distinguish the streams of random numbers: of the pool of a shuffled stream (and of the chunks, by their number), of the
# collator (with the number of the batch), and of the reader.
_POOL = 2**32 - 1
_COLLATING = 1
_READING = 2

# Number of instances from which samplers may choose their sorting keys.
_INSTANCES_TO_LEARN_FROM = 10


@dataclass(frozen=True)
class InstanceStream:
    """The instances of a reader, read again at each iteration.

    Args:
        reader: the reader.
        data_path: what it reads.
        num_workers: how many workers share the work; 0 for none.
    """

    reader: DatasetReader
    data_path: DatasetReaderInput
    num_workers: int = 0

    def read(self, worker: int | None = None) -> Iterator[Instance]:
        """The instances of one worker, without token indexers; or, for None, all instances, with token indexers."""
        self._set_worker(worker)
        return self.reader.read(self.data_path)

    def has_any(self) -> bool:
        """Whether there are any instances, in the share of any process."""
        with self.reader.alone():
            return any(True for _ in self.reader.read(self.data_path))

    def items(self, worker: int | None, first: int) -> Iterator[Any]:
        """The items from a number on: the instances themselves, or unparsed units if the reader can defer parsing.

        Args:
            worker: as for `read`.
            first: number of items to skip.
        """
        if self._deferring is None:
            return islice(self.read(worker), first, None)
        self._set_worker(worker)
        return islice(self._deferring.units(self.data_path), first, None)

    def instances_of(self, items: Iterator[Any]) -> Iterator[Instance]:
        """The instances of some items; each is made before the next item is asked for."""
        return items if self._deferring is None else self._deferring.instances_of(items, self.data_path)

    @property
    def can_defer(self) -> bool:
        """Whether the reader can defer parsing, so that items are unparsed units and instances come without token indexers."""
        return self._deferring is not None

    @functools.cached_property
    def _deferring(self) -> DeferringReader | None:
        return self.reader if isinstance(self.reader, DeferringReader) and self.reader.can_defer() else None

    def _set_worker(self, worker: int | None) -> None:
        if worker is not None:
            self.reader.set_worker_info(WorkerInfo(self.num_workers, worker))


@dataclass(frozen=True)
class StreamPosition:
    """The position in one worker's share of a stream.

    Args:
        batches: number of batches yielded.
        drawn: number of items (see `InstanceStream.items`) in these batches; with a sampler, before the current chunk.
        read: number of items read so far.
        chunk: with a sampler, number of chunks before the current one.
        chunk_batches: with a sampler, number of batches yielded of the current chunk.
    """

    batches: int = 0
    drawn: int = 0
    read: int = 0
    chunk: int = 0
    chunk_batches: int = 0

    def as_list(self) -> list[Any]:
        """Plain values, from which `StreamPosition.from_list` makes the position."""
        return [self.batches, self.drawn, self.read, self.chunk, self.chunk_batches]

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> "StreamPosition":
        """The inverse of `as_list`."""
        # checkpoints of version 1 also have byte offsets after the five numbers
        return cls(*values[:5])


@dataclass(frozen=True)
class BatchStream:
    """Batches of a stream of instances, with a limited number of them in memory at a time.

    Args:
        instances: the stream.
        max_instances_in_memory: number of instances that are shuffled or sampled together.
        batch_size: number of instances in a batch; None with a sampler.
        drop_last: whether to drop the last batch if it is smaller.
        shuffle: whether to shuffle within a moving pool.
        batch_sampler: makes the batches, one chunk after another.
        collate_fn: makes the tensors.
        vocab: indexes the instances.
        data_pass: number of the pass over the data, which determines the order.
        rank: rank of the training process, which determines the order too.
    """

    instances: InstanceStream
    max_instances_in_memory: int
    batch_size: int | None
    drop_last: bool
    shuffle: bool
    batch_sampler: BatchSampler | None
    collate_fn: DataCollator
    vocab: Vocabulary
    data_pass: int = 0
    rank: int = 0

    def batches(
        self, start: StreamPosition, worker: int | None = None, leave_out: int = 0
    ) -> Iterator[tuple[TensorDict, StreamPosition]]:
        """The batches from a position on, each with the position after it.

        Args:
            start: where to begin: `StreamPosition()`, or the position that came with a batch.
            worker: number of the worker whose share to read; None for all data, the share of a single worker.
            leave_out: number of batches to skip without making tensors.
        """
        for group, end in islice(self._groups(start, worker), leave_out, None):
            yield self._collated(group, worker, end.batches), end

    def batches_of_worker(
        self, starts: Sequence[StreamPosition], leave_out: int, worker: int
    ) -> Iterator[tuple[TensorDict, StreamPosition]]:
        """The batches of one worker's share, to be called in its process.

        Args:
            starts: where each worker starts.
            leave_out: see `batches`.
            worker: number of this worker.
        """
        # a reader must not draw the same random numbers in every worker and pass
        seed_global_generators(order_generator(self.data_pass, worker, _READING, rank=self.rank))
        return self.batches(starts[worker], worker, leave_out)

    def _collated(self, group: list[Instance], worker: int | None, number: int) -> TensorDict:
        """The tensors of a batch; with workers, a collator's random numbers depend on the position of the batch."""
        # the default draws no random numbers
        if self.instances.num_workers == 0 or type(self.collate_fn) is DefaultDataCollator:
            return self.collate_fn(group)
        generator = order_generator(self.data_pass, worker or 0, number, _COLLATING, rank=self.rank)
        with global_generators_from(generator):
            return self.collate_fn(group)

    def _groups(
        self, start: StreamPosition, worker: int | None
    ) -> Iterator[tuple[list[Instance], StreamPosition]]:
        """The instances of each batch from a position on."""
        if self.batch_sampler is not None:
            yield from self._sampled_groups(self.batch_sampler, start, worker)
            return
        assert self.batch_size is not None  # the loader requires one of the two
        instances = self._indexed(self._drawn(start, worker), worker)
        groups = groups_of(instances, self.batch_size, self.drop_last)
        for number, group in enumerate(groups, start=start.batches + 1):
            _, drawn, read = group[-1]
            yield [instance for instance, _, _ in group], StreamPosition(number, drawn, read)

    def _drawn(self, start: StreamPosition, worker: int | None) -> Iterator[tuple[Instance, int, int]]:
        """Instances in the order of the batches, each with the number of items drawn and read so far."""
        drawn, read = start.drawn, start.read
        items_from = functools.partial(self.instances.items, worker)

        def items() -> Iterator[Any]:
            nonlocal drawn, read
            if self.shuffle:
                generator = order_generator(self.data_pass, worker or 0, _POOL, rank=self.rank)
                shuffled = shuffled_stream(items_from, self.max_instances_in_memory, generator, drawn, read)
                for item, read_by_now in shuffled:
                    drawn, read = drawn + 1, read_by_now
                    yield item
            else:
                for item in items_from(drawn):
                    drawn = read = drawn + 1
                    yield item

        for instance in self.instances.instances_of(items()):
            yield instance, drawn, read

    def _indexed(
        self, instances: Iterator[tuple[Instance, int, int]], worker: int | None
    ) -> Iterator[tuple[Instance, int, int]]:
        """The same instances, indexed in groups."""
        most = min(self.max_instances_in_memory, _INSTANCES_AT_ONCE)
        size = min(most, _FIRST_INSTANCES_AT_ONCE)
        while group := self._next(instances, size):
            self._index([instance for instance, _, _ in group], worker)
            yield from group
            # few at first, so that the first batch is ready soon
            size = min(most, 2 * size)

    def _sampled_groups(
        self, sampler: BatchSampler, start: StreamPosition, worker: int | None
    ) -> Iterator[tuple[list[Instance], StreamPosition]]:
        """The instances of each batch from a position on; a sampler makes the batches of one chunk after another."""
        if start.chunk:
            # it may choose its sorting keys from the first instances
            first = self._drawn(StreamPosition(), worker)
            few = min(_INSTANCES_TO_LEARN_FROM, self.max_instances_in_memory)
            # only for this side effect
            for _ in sampler.get_batch_indices([instance for instance, _, _ in islice(first, few)]):
                pass
        number, chunk, skipped, before = start.batches, start.chunk, start.chunk_batches, start.drawn
        drawn = self._drawn(start, worker)
        while group := self._next(drawn, self.max_instances_in_memory):
            instances = [instance for instance, _, _ in group]
            self._index(instances, worker)
            set_generator(sampler, order_generator(self.data_pass, worker or 0, chunk, rank=self.rank))
            batches = enumerate(sampler.get_batch_indices(instances), start=1)
            for number_in_chunk, indices in islice(batches, skipped, None):
                number += 1
                end = StreamPosition(number, before, before, chunk, number_in_chunk)
                yield pick(instances, indices), end
            chunk, skipped, before = chunk + 1, 0, group[-1][1]

    def _next(
        self, instances: Iterator[tuple[Instance, int, int]], size: int
    ) -> list[tuple[Instance, int, int]]:
        """The next instances, fewer than asked for at the end."""
        with reduced_garbage_collection():
            return list(islice(instances, size))

    def _index(self, instances: list[Instance], worker: int | None) -> None:
        if worker is not None or self.instances.can_defer:
            for instance in instances:
                self.instances.reader.apply_token_indexers(instance)
        index_instances(instances, self.vocab)
