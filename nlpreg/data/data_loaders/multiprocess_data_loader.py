"""The default data loader: from a reader, in memory or as a stream, with or without worker processes."""

import logging
import math
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

import torch

from nlpreg.common.checks import ConfigurationError, ConfigurationValueError, PositiveInt, check_at_least
from nlpreg.common.iteration import in_turn, lazy_groups_of, num_groups
from nlpreg.common.runtime.memory import reduced_garbage_collection
from nlpreg.common.tqdm import Tqdm
from nlpreg.data.batch import index_instances
from nlpreg.data.data_loaders.data_collator import DataCollator, DefaultDataCollator
from nlpreg.data.data_loaders.data_loader import SAMPLE_SIZE, DataLoader, ResumableDataLoader, TensorDict
from nlpreg.data.data_loaders.stream import BatchStream, InstanceStream, StreamPosition, batch_indices, pick
from nlpreg.data.data_loaders.worker_pool import WorkerError, WorkerPool, as_worker_error
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, DatasetReaderInput
from nlpreg.data.fields import ListField, TextField
from nlpreg.data.instance import Instance
from nlpreg.data.order import current_rank, global_generators_from, order_generator
from nlpreg.data.samplers.batch_sampler import BatchSampler, set_generator
from nlpreg.data.vocabulary import Vocabulary

T = TypeVar("T")

_BATCHES_AHEAD = 32
"""Number of batches that a worker makes ahead, in addition to those that are in the pipe."""

# The first batches are made in this process, to measure how long one takes.
_BATCHES_TO_TIME = 4
# Receiving a batch from a worker takes about a tenth of this.
_SECONDS_WORTH_A_WORKER = 1e-3

# The batches of a stream are made in this process for this many seconds: shorter data need no worker.
_SECONDS_TO_MAKE_HERE = 0.05
# The cost of sending and receiving a batch: a minimum in seconds, and a fraction of the time to make it.
_SECONDS_ON_THE_WAY = 100e-6
_SHARE_ON_THE_WAY = 0.15
# About how long it takes until a worker has its first batch.
_SECONDS_TO_START = {"fork": 0.04}
_SECONDS_TO_START_ANEW = 2.0


def prefetch_batches(
    make_here: Callable[[int], TensorDict],
    make_in_worker: Callable[[int], TensorDict],
    numbers: Sequence[int],
    num_workers: int,
) -> Iterator[TensorDict]:
    """The batches with these numbers, in order; workers make them if that is faster than making them in this process.

    Workers are forked, so that nothing has to be sent to them.

    Args:
        make_here: makes the batch with a number in this process.
        make_in_worker: makes it in a worker.
        numbers: the numbers.
        num_workers: maximum number of workers.

    Raises:
        WorkerError: a batch could not be made in a worker.
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
        lambda worker: map(make_in_worker, rest[worker::num_workers]), num_workers, "fork", _BATCHES_AHEAD
    ) as pool:
        for _, batch in pool.receive_in_turn([0] * num_workers):
            yield batch


def prefetch_stream(
    stream: BatchStream, start: StreamPosition, leave_out: int, start_method: str
) -> Iterator[tuple[TensorDict, StreamPosition]]:
    """The batches of a stream from a position on; one worker makes them as soon as that saves time.

    The first batches are made in this process. A worker starts once the data prove to be long, and making a batch as well as
    using it takes longer than sending it: otherwise two processes would be no faster than one. Until the worker has its
    first batch, this process continues to make them.

    Args:
        stream: the stream.
        start: where to begin.
        leave_out: number of batches to skip, without making their tensors.
        start_method: how to start the worker.

    Raises:
        WorkerError: a batch could not be made, in the worker or in this process.
    """
    here = _with_worker_errors(stream.batches(start, leave_out=leave_out))
    taken, seconds, began = 0, 0.0, time.perf_counter()
    while not taken or seconds < _SECONDS_TO_MAKE_HERE:
        started = time.perf_counter()
        made = next(here, None)
        seconds += time.perf_counter() - started
        if made is None:
            return
        taken, start = taken + 1, made[1]
        yield made
    each, making = (time.perf_counter() - began) / taken, seconds / taken
    if not _is_worker_faster(making, each - making):
        yield from here
        return
    meanwhile = math.ceil(_SECONDS_TO_START.get(start_method, _SECONDS_TO_START_ANEW) / each)
    make = partial(stream.batches_of_worker, (start,), meanwhile)
    with WorkerPool(make, 1, start_method, _BATCHES_AHEAD) as pool:
        yield from islice(here, meanwhile)
        here.close()
        for _, made in pool.receive_in_turn([0]):
            yield made


def _is_worker_faster(making: float, using: float) -> bool:
    """Whether a worker saves time, given the seconds that it takes to make a batch and to use it."""
    way = max(_SECONDS_ON_THE_WAY, _SHARE_ON_THE_WAY * making)
    return min(making, using) > way and _num_cores() > 1


def _with_worker_errors(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items; errors are raised in the form that errors of workers have."""
    try:
        yield from items
    except Exception as error:
        raise as_worker_error(error) from error


def _num_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


logger = logging.getLogger(__name__)

# The first instances are read in this process, to measure the time per instance; the very first may load a model.
_INSTANCES_TO_WARM_UP = 8
_INSTANCES_TO_TIME = 56
# Below this time, reading is as fast as receiving instances from a worker.
_SECONDS_OF_READING_WORTH_A_WORKER = 300e-6

_INSTANCES_PER_MESSAGE = 256


def read_with_workers(stream: InstanceStream, start_method: str) -> Iterator[Instance]:
    """The instances of a stream, with token indexers, in the order in which one process would read them.

    Instances read by workers have to be sent to this process, so workers do not always save time. They are started only if
    there are several, the reader divides its work among them, and reading the first instances is slow.

    Raises:
        WorkerError: reading failed, in a worker or in this process.
    """
    try:
        # as a worker would read them: without token indexers
        instances: Iterator[Instance] = map(_without_indexers, replace(stream, num_workers=1).read(worker=0))
        first = list(islice(instances, _INSTANCES_TO_WARM_UP))
        started = time.perf_counter()
        timed = list(islice(instances, _INSTANCES_TO_TIME))
        seconds = (time.perf_counter() - started) / _INSTANCES_TO_TIME
        is_slow = len(timed) == _INSTANCES_TO_TIME and seconds > _SECONDS_OF_READING_WORTH_A_WORKER
        if is_slow and stream.num_workers > 1 and stream.reader.manual_multiprocess_sharding:
            instances = _read_in_workers(stream, start_method)
        else:
            logger.info("reading in this process, where it takes %.0f us an instance", seconds * 1e6)
            instances = chain(first, timed, instances)
        for instance in instances:
            stream.reader.apply_token_indexers(instance)
            yield instance
    except WorkerError:
        raise
    except Exception as error:
        raise as_worker_error(error) from error
    finally:
        stream.reader.set_worker_info(None)


def _read_in_workers(stream: InstanceStream, start_method: str) -> Iterator[Instance]:
    """All instances, one from each worker in turn, which restores the order of the data."""
    # the reader itself may have to be sent, and must not assume that it is the only worker
    stream.reader.set_worker_info(None)
    make_messages = partial(_instance_groups, stream)
    with WorkerPool(make_messages, stream.num_workers, start_method) as pool:
        yield from in_turn(_received(pool, worker) for worker in range(stream.num_workers))


def _received(pool: WorkerPool, worker: int) -> Iterator[Instance]:
    """The instances that a worker sends."""
    for _, group in iter(partial(pool.receive, worker), (False, None)):
        yield from group


def _instance_groups(stream: InstanceStream, worker: int) -> Iterator[list[Instance]]:
    """Groups of instances, each sent as one message by a worker."""
    return lazy_groups_of(map(_without_indexers, stream.read(worker)), _INSTANCES_PER_MESSAGE)


def _without_indexers(instance: Instance) -> Instance:
    """The same instance, after checking that it has no token indexers, which would be sent with it.

    Raises:
        ValueError: it has.
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


@DataLoader.register("multiprocess")
class MultiProcessDataLoader(ResumableDataLoader):
    """Batches of the instances of a reader, in memory or streamed.

    In memory (`max_instances_in_memory` is None), everything is read once, in the constructor, and resuming costs
    nothing. Workers read and make batches ahead of time, each only if it is slow enough for workers to save time.

    Streamed, the data are read again on each pass, and at most `max_instances_in_memory` instances are held (by each
    worker). Batches are made in the workers, if there are any, and taken from them in turn, so that the order is
    always the same. A single worker yields the same batches as none, and starts only if it saves time. Resuming in
    the middle of a pass requires the same number of workers. The files are read again up to the position; a reader of text
    files (`TextFileReader`) parses only what is still needed: the instances in the pool or, with a sampler, those of
    the current chunk. Other readers parse everything, but nothing is indexed and no tensors are made.

    The order is a function of the run's seed, the pass over the data and the rank. A batch sampler that draws random
    numbers must take them from its `generator` for that to hold. A collator may use the global generators; with
    workers, these are seeded from the same values and the number of the batch.

    Args:
        reader: reads the data.
        data_path: what it reads.
        batch_size: number of instances in a batch.
        drop_last: whether to drop the last batch if it is smaller.
        shuffle: whether the order is random: over all data or, streamed, within a pool of
            `max_instances_in_memory`.
        batch_sampler: makes the batches, instead of the three arguments above: of all data or, streamed, of one chunk of
            `max_instances_in_memory` instances after another.
        batches_per_epoch: number of batches of an epoch, in place of one pass over the data.
        num_workers: number of worker processes. Readers that divide their work by `shard_iterable` gain most.
        max_instances_in_memory: number of instances to hold when streaming; None to read all into memory.
        start_method: how workers are started: "fork" (which shares what is in memory), "spawn" or
            "forkserver" (for which reader, collator and sampler must pickle).
        cuda_device: device to put batches on.
        quiet: whether to hide the progress bar.
        collate_fn: makes the tensors of a batch.

    Raises:
        ValueError: arguments contradict each other, or an iteration starts before `index_with`.
        ConfigurationError: there are no instances. (If only this rank has none, it has no batches, and that is no error.)
        WorkerError: with workers, an instance could not be read or a batch could not be made.
    """

    def __init__(
        self,
        reader: DatasetReader,
        data_path: DatasetReaderInput,
        *,
        batch_size: int | None = None,
        drop_last: bool = False,
        shuffle: bool = False,
        batch_sampler: BatchSampler | None = None,
        batches_per_epoch: PositiveInt | None = None,
        num_workers: int = 0,
        max_instances_in_memory: int | None = None,
        start_method: str = "fork",
        cuda_device: int | str | torch.device | None = None,
        quiet: bool = False,
        collate_fn: DataCollator = DefaultDataCollator(),  # noqa: B008 - it holds nothing
    ) -> None:
        self.check_arguments(
            batch_size, drop_last, shuffle, batch_sampler, num_workers, max_instances_in_memory
        )
        super().__init__(batches_per_epoch, cuda_device)
        self.reader = reader
        self.data_path = data_path
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.max_instances_in_memory = max_instances_in_memory
        self.start_method = start_method
        self.quiet = quiet
        self.collate_fn = collate_fn
        self._stream = InstanceStream(reader, data_path, num_workers)
        self._vocab: Vocabulary | None = None
        self._instances: list[Instance] | None = None
        if max_instances_in_memory is None:
            with reduced_garbage_collection():
                self._instances = list(self._read())
            if not self._instances:
                self._check_other_ranks_have_instances()

    @staticmethod
    def check_arguments(
        batch_size: int | None,
        drop_last: bool,
        shuffle: bool,
        batch_sampler: object,
        num_workers: int,
        max_instances_in_memory: int | None,
    ) -> None:
        """Check the arguments; also called by `nlpreg check`."""
        check_at_least(0, num_workers=num_workers)
        check_at_least(1, batch_size=batch_size)
        if batch_sampler is None and batch_size is None:
            raise ConfigurationValueError(
                "expected a batch_size or a batch_sampler, got neither; give one of them"
            )
        own = {"batch_size": batch_size, "drop_last": drop_last, "shuffle": shuffle}
        if batch_sampler is not None and any(own.values()):
            raise ConfigurationValueError(
                f"{next(name for name in own if own[name])} and batch_sampler exclude each other, because the sampler makes "
                "the batches; remove one of them"
            )
        if max_instances_in_memory is not None and max_instances_in_memory < (batch_size or 1):
            raise ConfigurationValueError(
                f"max_instances_in_memory: expected the batch size ({batch_size or 1}) or more, got {max_instances_in_memory}"
            )

    def _check_other_ranks_have_instances(self) -> None:
        """Check that other ranks have instances if this one has none, in which case it has no batches.

        Raises:
            ConfigurationError: the whole data set is empty.
        """
        if self.reader.max_instances != 0 and not self._stream.has_any():
            raise ConfigurationError(
                f"{self.data_path}: {type(self.reader).__name__} found no instances there"
            )
        # a fixed number of batches cannot be made of nothing
        self.batches_per_epoch = None

    def _read(self) -> Iterator[Instance]:
        """All instances, with token indexers."""
        if self.num_workers > 0:
            instances = read_with_workers(self._stream, self.start_method)
        else:
            instances = self._stream.read()
        bar: Iterator[Instance] = iter(Tqdm.tqdm(instances, desc="loading instances", disable=self.quiet))
        return bar

    def __len__(self) -> int:
        if self.batches_per_epoch is not None:
            return self.batches_per_epoch
        if self._instances is None:
            raise TypeError(
                "the number of batches of a streamed data set is not known; set batches_per_epoch where it is needed"
            )
        if self.batch_sampler is not None:
            set_generator(self.batch_sampler, order_generator(self._position.data_pass))
            return self.batch_sampler.get_num_batches(self._instances)
        assert self.batch_size is not None  # there is a sampler or a size
        return num_groups(len(self._instances), self.batch_size, self.drop_last)

    def __iter__(self) -> Iterator[TensorDict]:
        if self._vocab is None:
            raise ValueError(
                f"{type(self).__name__} was iterated over before index_with(vocab) was called, so there are no ids yet"
            )
        return super().__iter__()

    def _batches_of_pass(self, data_pass: int, start: int) -> Iterator[TensorDict]:
        if self._instances is None:
            return self._streamed(data_pass, start)
        instances, indices = self._instances, self._indices(data_pass)
        if self.num_workers == 0 or self.start_method != "fork":
            return (self.collate_fn(pick(instances, batch)) for batch in indices[start:])

        def make(number: int) -> TensorDict:
            return self.collate_fn(pick(instances, indices[number]))

        def make_with_own_numbers(number: int) -> TensorDict:
            with global_generators_from(order_generator(data_pass, number)):
                return make(number)

        # the default draws no random numbers, and its batches cost little more than seeding the generators
        # numbers drawn while a batch is made depend on its number alone, whatever process makes it
        make_here = make if type(self.collate_fn) is DefaultDataCollator else make_with_own_numbers
        numbers = range(start, len(indices))
        return prefetch_batches(make_here, make_with_own_numbers, numbers, self.num_workers)

    def _indices(self, data_pass: int) -> list[list[int]]:
        """In memory: the indices of the instances of each batch of a pass."""
        assert self._instances is not None
        if self.batch_sampler is not None:
            set_generator(self.batch_sampler, order_generator(data_pass))
            return list(self.batch_sampler.get_batch_indices(self._instances))
        assert self.batch_size is not None  # there is a sampler or a size
        generator = order_generator(data_pass) if self.shuffle else None
        return batch_indices(len(self._instances), self.batch_size, generator, self.drop_last)

    def _streamed(self, data_pass: int, start: int) -> Iterator[TensorDict]:
        """Streamed: the batches of a pass, made here or in workers."""
        assert self._vocab is not None and self.max_instances_in_memory is not None
        stream = BatchStream(
            self._stream,
            self.max_instances_in_memory,
            self.batch_size,
            self.drop_last,
            self.shuffle,
            self.batch_sampler,
            self.collate_fn,
            self._vocab,
            data_pass,
            current_rank(),
        )
        position = self._position
        places = position.places or (StreamPosition(),) * max(1, self.num_workers)
        # the state of a loader without positions has only the number of batches
        leave_out = start - sum(place.batches for place in places)  # of a state without places
        # A plugin's reader may draw random numbers, which must not depend on when a worker takes over.
        takes_over = self.num_workers == 1 and self._stream.can_defer
        if self.num_workers == 0 or takes_over:
            if takes_over:
                batches = prefetch_stream(stream, places[0], leave_out, self.start_method)
            else:
                batches = stream.batches(places[0], leave_out=leave_out)
            for batch, place in batches:
                position.places = (place,)
                yield batch
            return
        make = partial(stream.batches_of_worker, places, 0)
        with WorkerPool(make, self.num_workers, self.start_method, _BATCHES_AHEAD) as pool:
            numbers = [place.batches for place in places]
            for worker, (batch, place) in pool.receive_in_turn(numbers):
                places = (*places[:worker], place, *places[worker + 1 :])
                if leave_out > 0:
                    leave_out -= 1
                    continue
                position.places = places
                yield batch

    def state_dict(self) -> dict[str, Any]:
        """The position; within a streamed pass, also the position of each worker in the data."""
        state = super().state_dict()
        if self._position.places:
            state["stream"] = {
                **self._settings_of_stream(),
                "places": [place.as_list() for place in self._position.places],
            }
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue the epoch in the next iteration where the state was taken.

        Raises:
            ConfigurationError: the state was taken in the middle of a pass over the data that had other settings.
        """
        super().load_state_dict(state)
        stream = state.get("stream")
        if stream is None:
            return
        for name, here in self._settings_of_stream().items():
            if stream[name] != here:
                raise ConfigurationError(
                    f"{name}: expected {stream[name]}, as when the run stopped within a pass over streamed data, got {here}; "
                    "the order of the data depends on it, so change it only between two passes"
                )
        self._position.places = tuple(map(StreamPosition.from_list, stream["places"]))

    def _settings_of_stream(self) -> dict[str, Any]:
        """Settings on which positions in a stream depend."""
        info = self.reader.get_distributed_info()
        return {
            "number of processes": 1 if info is None else info.world_size,
            # one worker makes the same batches as none
            "num_workers": max(1, self.num_workers),
            "max_instances_in_memory": self.max_instances_in_memory,
            "shuffle": self.shuffle,
        }

    def iter_instances(self) -> Iterator[Instance]:
        """The instances in reading order; streamed, they are read for this."""
        return iter(self._instances) if self._instances is not None else self._read()

    def sample_instances(self, number: int) -> list[Instance]:
        """The first instances in reading order; streamed, they are read for this."""
        if self._instances is not None:
            return self._instances[:number]
        return list(islice(self.reader.read(self.data_path), number))

    def sample_batch(self) -> TensorDict | None:
        """A batch of the first instances, made in this process."""
        instances = self.sample_instances(min(self.batch_size or SAMPLE_SIZE, SAMPLE_SIZE))
        if not instances or self._vocab is None:
            return None
        index_instances(instances, self._vocab)
        return self.collate_fn(instances)

    def index_with(self, vocab: Vocabulary) -> None:
        """Index the instances in memory now, streamed ones as they are read."""
        self._vocab = vocab
        if self._instances is not None:
            index_instances(self._instances, vocab)
