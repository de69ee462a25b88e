"""One fold of a cross-validation: a data set of which every k-th instance is held out."""

from collections.abc import Iterable, Iterator

from nlpreg.common.checks import ConfigurationValueError
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, PathOrStr, WorkerInfo
from nlpreg.data.dataset_readers.sharded_dataset_reader import DelegatingDatasetReader
from nlpreg.data.instance import Instance


@DatasetReader.register("fold")
class FoldDatasetReader(DelegatingDatasetReader):
    """Reads a part of one data set with another reader, and all of any other data set.

    Instance *i* of the data set at `path` belongs to fold *i* modulo `num_folds`. The reader yields the instances of all
    folds except `fold`, or with `held_out` those of `fold`, so that two of these readers split the data set for training and
    validation. `nlpreg train --folds` makes such pairs.

    Args:
        base_reader: reads the data; its `max_instances` applies before the split.
        path: the data set to split.
        fold: number of the fold that is held out, from 0.
        num_folds: number of folds, at least 2.
        held_out: whether to yield the instances that are held out, rather than the others.
        max_instances: yield at most this many instances.
        serialization_dir: folder of the training run.

    Raises:
        ConfigurationError: `num_folds` is below 2, or `fold` is not below it.
    """

    def __init__(
        self,
        base_reader: DatasetReader,
        path: str,
        fold: int,
        num_folds: int,
        held_out: bool = False,
        max_instances: int | None = None,
        serialization_dir: str | None = None,
    ) -> None:
        super().__init__(base_reader, max_instances, serialization_dir)
        if num_folds < 2:
            raise ConfigurationValueError(f"num_folds: expected at least 2, got {num_folds}")
        if not 0 <= fold < num_folds:
            raise ConfigurationValueError(f"fold: expected a number from 0 to {num_folds - 1}, got {fold}")
        self.path = path
        self.fold = fold
        self.num_folds = num_folds
        self.held_out = held_out

    def _read(self, file_path: PathOrStr) -> Iterator[Instance]:
        instances: Iterable[Instance] = self.reader.read(file_path)
        if file_path == self.path:
            # Numbered before they are divided among processes, so that folds do not depend on the number of processes.
            instances = (
                instance
                for number, instance in enumerate(instances)
                if (number % self.num_folds == self.fold) == self.held_out
            )
        yield from self.shard_iterable(instances)

    def _set_worker_info(self, info: WorkerInfo | None) -> None:
        super()._set_worker_info(info)
        # The base reader reads everything, because the instances are divided here.
        self.reader.set_worker_info(None if info is None else WorkerInfo(num_workers=1, id=0))
