"""A data set in many files, each read by one process."""

import glob
import itertools
import logging
import os
from collections.abc import Iterable, Iterator
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import cached_path
from nlpreg.data.dataset_readers.dataset_reader import (
    DatasetReader,
    DeferringReader,
    PathOrStr,
    ShardingDatasetReader,
    Unit,
)
from nlpreg.data.instance import Instance

logger = logging.getLogger(__name__)


class DelegatingDatasetReader(ShardingDatasetReader):
    """Base of readers that yield the instances of another reader and divide them among the processes.

    Args:
        base_reader: makes the instances.
        max_instances: read at most this many instances, counted over all processes together.
        serialization_dir: folder of the training run.
    """

    def __init__(
        self,
        base_reader: DatasetReader,
        max_instances: int | None = None,
        serialization_dir: str | None = None,
    ) -> None:
        super().__init__(max_instances, serialization_dir)
        self.reader = base_reader
        self.reader.set_worker_info(None)
        self.reader.set_distributed_info(None)

    def _to_params(self) -> dict[str, Any]:
        return {**self.all_arguments(), "base_reader": self.reader}

    def text_to_instance(self, *args: Any, **kwargs: Any) -> Instance:
        """An instance made by the base reader."""
        return self.reader.text_to_instance(*args, **kwargs)

    def apply_token_indexers(self, instance: Instance) -> None:
        """Call the method of the base reader."""
        self.reader.apply_token_indexers(instance)


@DatasetReader.register("sharded")
class ShardedDatasetReader(DelegatingDatasetReader):
    """Divides whole files among the processes, and reads each with another reader.

    The data path is a pattern (`data/part-*.txt`), a folder, or an archive; files are read in the order of their names.

    Args:
        base_reader: reads one file; its own sharding is disabled, and its `max_instances` applies to each file.
        max_instances: read at most this many instances, counted over all processes together.
        serialization_dir: folder of the training run.

    Raises:
        ConfigurationError: (when reading) the path is a single file, or there are no files.
    """

    def _read(self, glob_path: PathOrStr) -> Iterator[Instance]:
        for shard in self._shards(glob_path):
            logger.info("reading instances from %s", shard)
            yield from itertools.islice(self.reader._read(shard), self.reader.max_instances)

    def _shards(self, glob_path: PathOrStr) -> list[str]:
        """The files of this process."""
        shards = _files(os.fspath(glob_path))
        mine = list(self._every_nth(shards, for_ranks=True, for_workers=True))
        if not mine:
            logger.warning(
                "%s: %d files are too few for all processes to read one; this one (%s, %s) has nothing to read",
                glob_path,
                len(shards),
                self.get_distributed_info(),
                self.get_worker_info(),
            )
        return mine

    def can_defer(self) -> bool:
        """Whether the base reader can; see `DeferringReader`."""
        reader = self.reader
        return self.max_instances is None and isinstance(reader, DeferringReader) and reader.can_defer()

    def units(self, file_path: PathOrStr) -> Iterator[Unit]:
        """The units of this process's files."""
        shards = self._shards(file_path)
        assert isinstance(self.reader, DeferringReader)
        return self.reader.units(shards) if shards else iter(())

    def instances_of(self, units: Iterable[Unit], file_path: PathOrStr) -> Iterator[Instance]:
        """The instances of some units."""
        assert isinstance(self.reader, DeferringReader)
        return self.reader.instances_of(units, file_path)


def _files(path: str) -> list[str]:
    """The files of a pattern, a folder or an archive, in the order of their names."""
    pattern = os.path.expanduser(path)
    if glob.has_magic(pattern) and not os.path.exists(pattern):
        files = [file for file in glob.glob(pattern, recursive=True) if os.path.isfile(file)]
    else:
        folder = cached_path(path, extract_archive=True)
        if not os.path.isdir(folder):
            raise ConfigurationError(
                f"{path}: expected a pattern, a folder or an archive of several files, got a single file; read it with "
                "the base reader itself"
            )
        files = [entry.path for entry in os.scandir(folder) if entry.is_file()]
    if not files:
        raise ConfigurationError(f"{path}: expected at least one file, got none")
    return sorted(files)
