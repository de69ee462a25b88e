"""Reading instances and making batches of them, as far as it can be done in any process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from nlpreg.common.memory import seldom_garbage_collection
from nlpreg.common.util import lazy_groups_of
from nlpreg.data.corpus import index_instances
from nlpreg.data.data_loaders.batching import groups_of, pick, shuffled_stream
from nlpreg.data.data_loaders.data_collator import DataCollator
from nlpreg.data.data_loaders.data_loader import TensorDict
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, DatasetReaderInput, WorkerInfo
from nlpreg.data.instance import Instance
from nlpreg.data.order import order_generator, seed_global_generators
from nlpreg.data.samplers.batch_sampler import BatchSampler
from nlpreg.data.vocabulary import Vocabulary

# Indexed together while instances are not sampled by chunks; more would only take more memory.
_INSTANCES_AT_ONCE = 1024

# Tell apart what draws random numbers: the pool of a shuffled stream (beside the numbers of chunks), the collator.
_POOL = 2**32 - 1
_COLLATING = 1


@dataclass(frozen=True)
class InstanceStream:
    """The instances that a reader finds, read anew whenever they are asked for.

    Args:
        reader: the reader.
        data_path: what it reads.
        num_workers: how many workers share the work; 0 for none.
    """

    reader: DatasetReader
    data_path: DatasetReaderInput
    num_workers: int = 0

    def read(self, worker: int | None = None) -> Iterator[Instance]:
        """The instances of one worker, without token indexers, or all of them, with."""
        if worker is not None:
            self.reader._set_worker_info(WorkerInfo(self.num_workers, worker))
        return self.reader.read(self.data_path)


@dataclass(frozen=True)
class BatchStream:
    """Batches of a stream of instances, of which a limited number is in memory at a time.

    Args:
        instances: the stream.
        max_instances_in_memory: how many instances are sampled from at a time.
        batch_size: number of instances in a batch; None with a sampler.
        drop_last: whether to leave out the last batch where it is smaller.
        shuffle: whether to shuffle within a moving pool.
        batch_sampler: makes the batches of one chunk after the other.
        collate_fn: makes the tensors.
        vocab: indexes the instances.
        data_pass: which pass over the data this is, for the order.
        rank: which training process this is, for the order.
        start: number of batches to leave out, those of all workers taken in turn.
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
    start: int = 0

    def batches(self) -> Iterator[TensorDict]:
        """All batches from number `start` on; those before cost reading, but no tensors are made of them."""
        return map(self.collate_fn, islice(self._groups(self._indexed()), self.start, None))

    def batches_of_worker(self, worker: int) -> Iterator[int | TensorDict]:
        """The batches of one worker; before them, how many this worker has left out.

        As many are left out as fall to this worker if all have enough. Where one has not, others must leave
        out more.
        """
        groups = self._groups(self._indexed(worker), worker)
        num_workers = self.instances.num_workers
        share = self.start // num_workers + (worker < self.start % num_workers)
        left_out = sum(1 for _ in islice(groups, share))
        yield left_out
        for number, group in enumerate(groups, start=left_out):
            generator = order_generator(self.data_pass, worker, number, _COLLATING, rank=self.rank)
            seed_global_generators(generator)
            yield self.collate_fn(group)

    def _indexed(self, worker: int | None = None) -> Iterator[Instance]:
        """The instances, indexed some at a time."""
        instances = self.instances.read(worker)
        size = self.max_instances_in_memory
        if self.batch_sampler is None:
            size = min(size, _INSTANCES_AT_ONCE)
        while group := self._next_indexed(instances, size, in_worker=worker is not None):
            yield from group

    def _next_indexed(self, instances: Iterator[Instance], size: int, in_worker: bool) -> list[Instance]:
        """The next instances, as many as asked for if there are."""
        with seldom_garbage_collection():
            group = list(islice(instances, size))
        if in_worker:
            for instance in group:
                self.instances.reader.apply_token_indexers(instance)
        index_instances(group, self.vocab)
        return group

    def _groups(self, instances: Iterator[Instance], worker: int = 0) -> Iterator[list[Instance]]:
        """The instances of each batch."""
        if self.batch_sampler is not None:
            for number, chunk in enumerate(lazy_groups_of(instances, self.max_instances_in_memory)):
                self._set_generator(self.batch_sampler, worker, number)
                for indices in self.batch_sampler.get_batch_indices(chunk):
                    yield pick(chunk, indices)
            return
        assert self.batch_size is not None  # the loader takes either
        if self.shuffle:
            generator = order_generator(self.data_pass, worker, _POOL, rank=self.rank)
            instances = shuffled_stream(instances, self.max_instances_in_memory, generator)
        yield from groups_of(instances, self.batch_size, self.drop_last)

    def _set_generator(self, sampler: BatchSampler, worker: int, chunk: int) -> None:
        # a sampler of a plugin need not derive from ours
        if hasattr(sampler, "set_generator"):
            sampler.set_generator(order_generator(self.data_pass, worker, chunk, rank=self.rank))
