"""A loader over the data sets of several tasks."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count, islice
from typing import Any

import torch

from nlpreg.common.checks import ConfigurationError, ConfigurationValueError, check_at_least
from nlpreg.data.batch import index_instances
from nlpreg.data.data_loaders.data_collator import nlpreg_collate
from nlpreg.data.data_loaders.data_loader import SAMPLE_SIZE, DataLoader, ResumableDataLoader, TensorDict
from nlpreg.data.data_loaders.multiprocess_data_loader import MultiProcessDataLoader
from nlpreg.data.data_loaders.multitask_epoch_sampler import MultiTaskEpochSampler
from nlpreg.data.data_loaders.multitask_scheduler import MultiTaskScheduler
from nlpreg.data.data_loaders.stream import pick, shuffled_stream
from nlpreg.data.dataset_readers.multitask import MultiTaskDatasetReader
from nlpreg.data.instance import Instance
from nlpreg.data.order import order_generator
from nlpreg.data.vocabulary import Vocabulary


@DataLoader.register("multitask")
class MultiTaskDataLoader(ResumableDataLoader):
    """Batches from the data sets of several tasks, in an order given by a scheduler.

    An epoch is all data of all tasks or, with `instances_per_epoch`, that many instances, divided among the tasks by
    a sampler; each task then continues in the next epoch where it stopped, and starts over when its data are exhausted.

    Args:
        reader: holds a reader for each task.
        data_path: a path by task.
        scheduler: determines the order of the instances and the batches.
        sampler: determines each task's share of an epoch.
        instances_per_epoch: number of instances of an epoch; needs a sampler.
        num_workers: by task, as in the multiprocess loader.
        max_instances_in_memory: by task, as in the multiprocess loader.
        start_method: by task, as in the multiprocess loader.
        instance_queue_size: accepted for old configs; it has no effect.
        instance_chunk_size: the same.
        shuffle: whether the order of the instances of each task is random.
        cuda_device: device to put batches on, by default the CPU.

    Raises:
        ValueError: the tasks of reader and paths differ, or `instances_per_epoch` lacks a sampler.
    """

    def __init__(
        self,
        reader: MultiTaskDatasetReader,
        data_path: dict[str, str],
        scheduler: MultiTaskScheduler,
        *,
        sampler: MultiTaskEpochSampler | None = None,
        instances_per_epoch: int | None = None,
        num_workers: dict[str, int] | None = None,
        max_instances_in_memory: dict[str, int] | None = None,
        start_method: dict[str, str] | None = None,
        instance_queue_size: dict[str, int] | None = None,
        instance_chunk_size: dict[str, int] | None = None,
        shuffle: bool = True,
        cuda_device: int | str | torch.device | None = None,
    ) -> None:
        super().__init__(cuda_device="cpu" if cuda_device is None else cuda_device)
        if not isinstance(data_path, Mapping) or set(reader.readers) != set(data_path):
            got = sorted(data_path) if isinstance(data_path, Mapping) else repr(data_path)
            raise ValueError(
                f"data_path: expected a path for each task of the reader ({sorted(reader.readers)}), got {got}"
            )
        self.check_arguments(sampler, instances_per_epoch)
        self.readers = reader.readers
        self.data_paths = data_path
        self.scheduler = scheduler
        self.sampler = sampler
        self.instances_per_epoch = instances_per_epoch
        self.shuffle = shuffle
        self._vocab: Vocabulary | None = None
        self._loaders = {
            task: MultiProcessDataLoader(
                reader.readers[task],
                path,
                batch_size=1,
                num_workers=(num_workers or {}).get(task, 0),
                max_instances_in_memory=(max_instances_in_memory or {}).get(task),
                start_method=(start_method or {}).get(task, "fork"),
            )
            for task, path in data_path.items()
        }
        # By task: number of finished passes over its data, and of instances yielded in the present one. This is the
        # state at the start of the epoch.
        self._starts = dict.fromkeys(data_path, (0, 0))
        self._shares: dict[str, int] | None = None

    @staticmethod
    def check_arguments(sampler: object, instances_per_epoch: int | None) -> None:
        """Check the arguments; also called by `nlpreg check`."""
        check_at_least(1, instances_per_epoch=instances_per_epoch)
        if instances_per_epoch is not None and sampler is None:
            raise ConfigurationValueError(
                "instances_per_epoch: expected a sampler too, which divides them between the tasks"
            )

    def __len__(self) -> int:
        if self.instances_per_epoch is not None:
            return self.scheduler.count_batches(self._shares_of_epoch())
        return self.scheduler.count_batches({task: len(loader) for task, loader in self._loaders.items()})

    def __iter__(self) -> Iterator[TensorDict]:
        if self._vocab is None:
            raise ValueError(
                "MultiTaskDataLoader was iterated over before index_with(vocab) was called, so there are no ids yet"
            )
        return super().__iter__()

    def _batches_of_pass(self, data_pass: int, start: int) -> Iterator[TensorDict]:
        if self.instances_per_epoch is None:
            self._starts = dict.fromkeys(self._loaders, (data_pass, 0))
        elif self._shares is None:
            self._shares = self._shares_of_epoch()
        ends = dict(self._starts)
        instances = {task: self._instances_of_epoch(task, ends) for task in self._loaders}
        for batch in islice(self.scheduler.batch_instances(instances), start, None):
            assert self._vocab is not None  # see __iter__
            index_instances(batch, self._vocab)
            yield nlpreg_collate(batch)
        self._starts, self._shares = ends, None

    def _shares_of_epoch(self) -> dict[str, int]:
        """The number of instances of each task in an epoch."""
        assert self.sampler is not None and self.instances_per_epoch is not None
        proportions = self.sampler.get_task_proportions(self._loaders)
        return {task: int(share * self.instances_per_epoch) for task, share in proportions.items()}

    def _instances_of_epoch(self, task: str, ends: dict[str, tuple[int, int]]) -> Iterable[Instance]:
        """The instances of a task in this epoch; the position after the last one is written to `ends`."""
        if self._shares is None:
            yield from self._instances_of_pass(task, self._starts[task][0])
            return
        for data_pass, place, instance in islice(self._endless(task), self._shares[task]):
            ends[task] = data_pass, place + 1
            yield instance

    def _endless(self, task: str) -> Iterator[tuple[int, int, Instance]]:
        """Infinite iterator over (pass, position in the pass, instance) from the start of the epoch."""
        first_pass, first_place = self._starts[task]
        for data_pass in count(first_pass):
            place = -1
            for place, instance in enumerate(self._instances_of_pass(task, data_pass)):
                if data_pass > first_pass or place >= first_place:
                    yield data_pass, place, instance
            if place < 0:
                raise ConfigurationError(
                    f"{self.data_paths[task]}: there are no instances of the task {task!r}"
                )

    def _instances_of_pass(self, task: str, data_pass: int) -> Iterable[Instance]:
        """The instances of a task in the order of one pass over its data."""
        loader = self._loaders[task]
        generator = order_generator(data_pass, list(self._loaders).index(task))
        if not self.shuffle:
            return loader.iter_instances()
        if loader.max_instances_in_memory is not None:
            size = loader.max_instances_in_memory
            stream = shuffled_stream(lambda _: loader.iter_instances(), size, generator)
            return (instance for instance, _ in stream)
        instances = list(loader.iter_instances())
        return pick(instances, generator.permutation(len(instances)).tolist())

    def iter_instances(self) -> Iterator[Instance]:
        """The instances, one task after another."""
        for loader in self._loaders.values():
            yield from loader.iter_instances()

    def sample_instances(self, number: int) -> list[Instance]:
        """The first instances of each task."""
        return [instance for loader in self._loaders.values() for instance in loader.sample_instances(number)]

    def sample_batch(self) -> TensorDict | None:
        """The first batch that the scheduler makes of a few instances of each task."""
        instances: dict[str, Iterable[Instance]]
        instances = {task: loader.sample_instances(SAMPLE_SIZE) for task, loader in self._loaders.items()}
        batch = next(iter(self.scheduler.batch_instances(instances)), None)
        if not batch or self._vocab is None:
            return None
        index_instances(batch, self._vocab)
        return nlpreg_collate(batch)

    def index_with(self, vocab: Vocabulary) -> None:
        """Index the instances in memory now, streamed ones while they are read."""
        self._vocab = vocab
        for loader in self._loaders.values():
            loader.index_with(vocab)

    def state_dict(self) -> dict[str, Any]:
        """The position, each task's position at the start of the epoch, and each task's share of the epoch."""
        return {
            **super().state_dict(),
            "starts": {task: list(start) for task, start in self._starts.items()},
            "shares": self._shares,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume the epoch at the position of the state in the next iteration."""
        super().load_state_dict(state)
        self._starts = {task: (start[0], start[1]) for task, start in state["starts"].items()}
        self._shares = None if state["shares"] is None else dict(state["shares"])
