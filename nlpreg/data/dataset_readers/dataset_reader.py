"""`DatasetReader`, the base class of readers, and how processes share the work of reading."""

import contextlib
import itertools
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Dict, List, Protocol, Tuple, TypeVar, Union, runtime_checkable  # noqa: UP035 - aliases that plugins import and inspect

import torch.distributed as dist

from nlpreg.common.checks import ConfigurationError, ConfigurationValueError
from nlpreg.common.registrable import Registrable
from nlpreg.data.fields.field import Field
from nlpreg.data.instance import Instance

T = TypeVar("T")

PathOrStr = Union[os.PathLike, str]  # type: ignore[type-arg]  # a path of either kind, as users write it
DatasetReaderInput = Union[PathOrStr, List[PathOrStr], Dict[str, PathOrStr]]  # noqa: UP006

Unit = Tuple[str, int, Any]  # noqa: UP006
"""The source of an instance: name of the file, number of the first line, and unparsed content."""


@runtime_checkable
class DeferringReader(Protocol):
    """A reader whose units can be skipped, or shuffled, before they are parsed."""

    def can_defer(self) -> bool:
        """Whether `instances_of` of all `units` equals `read`, except for token indexers."""

    def units(self, file_path: Any) -> Iterator[Unit]:
        """This process's share of the units, of which instances can be made later."""

    def instances_of(self, units: Iterable[Unit], file_path: Any) -> Iterator[Instance]:
        """The instances of some units, without token indexers; each is made before the next unit is asked for."""


@dataclass(frozen=True)
class WorkerInfo:
    """Identifies a worker process of a data loader.

    Args:
        num_workers: number of workers.
        id: number of this worker, from 0.
    """

    num_workers: int
    id: int


@dataclass(frozen=True)
class DistributedInfo:
    """Identifies a process of a distributed training.

    Args:
        world_size: number of processes.
        global_rank: rank of this process, from 0.
    """

    world_size: int
    global_rank: int


class DatasetReader(Registrable):
    """Reads instances from files.

    A subclass implements `_read`, preferably as a generator, and `text_to_instance`, which `_read` and the predictors
    share. Text fields are made without token indexers, which `apply_token_indexers` adds in the process that
    uses the instances. `TextField.from_words` is the cheapest way to make a text field when only the words
    matter.

    If several processes train or read, every instance must be used by one of them. By default `read` yields every
    n-th instance, but each process still makes all of them; a reader that sets both `manual_*` flags and wraps its
    loop in `shard_iterable` makes only its own share.

    Args:
        max_instances: read at most this many instances, counted over all processes together; None for all.
        manual_distributed_sharding: whether `_read` itself skips the instances of other training processes.
        manual_multiprocess_sharding: whether `_read` itself skips the instances of other loader workers.
        serialization_dir: folder of the training run, for readers that need files from there.

    Raises:
        ValueError: `max_instances` below 0.
        ConfigurationError: `max_instances` is a bool, as when a subclass passes on `lazy`, AllenNLP 1's first argument.
    """

    _to_params = Registrable.all_arguments

    def __init__(
        self,
        max_instances: int | None = None,
        manual_distributed_sharding: bool = False,
        manual_multiprocess_sharding: bool = False,
        serialization_dir: str | None = None,
    ) -> None:
        if isinstance(max_instances, bool):
            raise ConfigurationValueError(
                f"{type(self).__name__}: expected a number or None as max_instances, the first argument of DatasetReader, got "
                f"{max_instances}; readers have no argument `lazy` any more, so remove it from super().__init__(...)"
            )
        if max_instances is not None and max_instances < 0:
            raise ValueError(
                f"max_instances: expected 0 or more, got {max_instances}; leave it out to read everything"
            )
        self.max_instances = max_instances
        self.manual_distributed_sharding = manual_distributed_sharding
        self.manual_multiprocess_sharding = manual_multiprocess_sharding
        self.serialization_dir = serialization_dir
        self._worker_info: WorkerInfo | None = None
        self._distributed_info: DistributedInfo | None = None
        if dist.is_available() and dist.is_initialized():
            self._distributed_info = DistributedInfo(dist.get_world_size(), dist.get_rank())

    def read(self, file_path: DatasetReaderInput) -> Iterator[Instance]:
        """Iterate over the instances of a file that belong to this process.

        Token indexers are applied, except in a loader worker, where the process that uses the instances applies them.
        """
        if isinstance(file_path, os.PathLike):
            file_path = os.fspath(file_path)
        instances = self._share(self._located(file_path))
        if self._worker_info is not None:
            yield from instances
        else:
            for instance in instances:
                self.apply_token_indexers(instance)
                yield instance

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Context manager in which all data are read instead of the share of this process."""
        worker, distributed = self.get_worker_info(), self.get_distributed_info()
        self._set_worker_info(None)
        self._set_distributed_info(None)
        try:
            yield
        finally:
            self._set_worker_info(worker)
            self._set_distributed_info(distributed)

    def set_worker_info(self, info: WorkerInfo | None) -> None:
        """Set which loader worker this process is; None for the main process."""
        self._set_worker_info(info)

    def set_distributed_info(self, info: DistributedInfo | None) -> None:
        """Set which training process this is; None for a single process."""
        self._set_distributed_info(info)

    def _located(self, file_path: Any) -> Iterator[Instance]:
        """The instances of `_read`; the attribute `while_reading` of an error tells which instance was being read.

        Raises:
            ConfigurationError: `_read` yields something else than instances with fields.
        """
        number = 1
        try:
            for number, instance in enumerate(self._read(file_path), start=1):
                if not isinstance(instance, Instance):
                    what = "None" if instance is None else f"{type(instance).__name__} {instance!r:.60}"
                    raise ConfigurationError(
                        f"{file_path}: {type(self).__name__}._read: expected instances, got {what} as number {number}; does "
                        "text_to_instance return its instance?"
                    )
                for name, field in instance.fields.items():
                    if not isinstance(field, Field):
                        raise ConfigurationError(
                            f"{file_path}: {type(self).__name__}: expected a Field as {name!r} of instance {number}, such as "
                            f"a TextField or a LabelField, got {type(field).__name__} {field!r:.60}"
                        )
                yield instance
                number += 1
        except Exception as error:
            if not hasattr(error, "while_reading"):
                error.while_reading = f"instance {number} of {file_path}"  # type: ignore[attr-defined]  # a note for the report of the error
            raise

    # Any: a subclass names its own kind of path (a str, a mapping of names to paths).
    def _read(self, file_path: Any) -> Iterable[Instance]:
        """All instances of a file; subclasses must implement this."""
        raise NotImplementedError(f"{type(self).__name__} has no _read")

    # Any: the inputs differ from reader to reader.
    def text_to_instance(self, *args: Any, **kwargs: Any) -> Instance:
        """Make an instance, without token indexers; subclasses must implement this."""
        raise NotImplementedError(f"{type(self).__name__} has no text_to_instance")

    def apply_token_indexers(self, instance: Instance) -> None:
        """Set the token indexers of the text fields of an instance; may be called more than once for an instance."""

    def get_worker_info(self) -> WorkerInfo | None:
        """Which loader worker this is, or None in the main process."""
        return self._worker_info

    def get_distributed_info(self) -> DistributedInfo | None:
        """Which process of a distributed training this is, or None when there is only one."""
        return self._distributed_info

    def _inner_readers(self) -> "Iterable[DatasetReader]":
        """Readers whose worker and distributed info are set together with those of this reader."""
        return ()

    def _set_worker_info(self, info: WorkerInfo | None) -> None:
        """Set the worker info here and in the inner readers."""
        self._worker_info = info
        for reader in self._inner_readers():
            reader.set_worker_info(info)

    def _set_distributed_info(self, info: DistributedInfo | None) -> None:
        """Set the distributed info here and in the inner readers."""
        self._distributed_info = info
        for reader in self._inner_readers():
            reader.set_distributed_info(info)

    def shard_iterable(self, iterable: Iterable[T]) -> Iterator[T]:
        """The items that belong to this process; to be used in `_read`, with one process or many.

        Raises:
            ValueError: the reader has not set both `manual_*` flags, so `read` would divide the items again.
        """
        if not (self.manual_distributed_sharding and self.manual_multiprocess_sharding):
            raise ValueError(
                f"{type(self).__name__}.shard_iterable: expected a reader with manual_distributed_sharding and "
                "manual_multiprocess_sharding both true; pass both to super().__init__"
            )
        items = self._every_nth(iterable, for_ranks=True, for_workers=True)
        return itertools.islice(items, self._share_of_max_instances())

    def _share(self, instances: Iterable[Instance]) -> Iterator[Instance]:
        """The instances of `_read` that belong to this process."""
        is_one_of_many = self._worker_info is not None and self._worker_info.num_workers > 1
        if is_one_of_many and not self.manual_multiprocess_sharding:
            warnings.warn(
                f"{type(self).__name__} runs in a loader worker but does not divide its work: every worker reads "
                "everything and drops what others keep. Set manual_multiprocess_sharding and use shard_iterable.",
                UserWarning,
                stacklevel=3,
            )
        # first by training process, then by worker, as in shard_iterable
        kept = self._every_nth(
            instances,
            for_ranks=not self.manual_distributed_sharding,
            for_workers=not self.manual_multiprocess_sharding,
        )
        return itertools.islice(kept, self._share_of_max_instances())

    def _every_nth(self, items: Iterable[T], for_ranks: bool, for_workers: bool) -> Iterator[T]:
        """First every n-th item for this rank, then every n-th of those for this worker."""
        kept = iter(items)
        if for_ranks and self._distributed_info is not None:
            info = self._distributed_info
            kept = itertools.islice(kept, info.global_rank, None, info.world_size)
        if for_workers and self._worker_info is not None:
            kept = itertools.islice(kept, self._worker_info.id, None, self._worker_info.num_workers)
        return kept

    def _share_of_max_instances(self) -> int | None:
        """This process's share of `max_instances`; None for no limit."""
        share = self.max_instances
        if share is None:
            return None
        if self._distributed_info is not None:
            share = _share_of(share, self._distributed_info.world_size, self._distributed_info.global_rank)
        if self._worker_info is not None:
            share = _share_of(share, self._worker_info.num_workers, self._worker_info.id)
        return share


class ShardingDatasetReader(DatasetReader):
    """Base of readers that divide their data among the processes themselves.

    Args:
        max_instances: read at most this many instances, counted over all processes together; None for all.
        serialization_dir: folder of the training run.
    """

    def __init__(self, max_instances: int | None = None, serialization_dir: str | None = None) -> None:
        super().__init__(
            max_instances=max_instances,
            manual_distributed_sharding=True,
            manual_multiprocess_sharding=True,
            serialization_dir=serialization_dir,
        )


def _share_of(total: int, num_parts: int, part: int) -> int:
    """Size of one of `num_parts` parts of `total`, the first parts taking the remainder."""
    return total // num_parts + (part < total % num_parts)
