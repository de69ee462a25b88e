"""Data sets of several tasks, kept apart."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers.dataset_reader import (
    DatasetReader,
    DatasetReaderInput,
    ShardingDatasetReader,
)
from nlpreg.data.fields.metadata_field import MetadataField
from nlpreg.data.instance import Instance

_TASK_FIELD = "task"


@DatasetReader.register("multitask_shim")
class MultiTaskReaderShim(ShardingDatasetReader):
    """A reader that adds the name of the task to every instance.

    Fields: those of the inner reader, and `task`.

    Args:
        inner: reads the data.
        head: name of the task.
    """

    def __init__(self, inner: DatasetReader, head: str) -> None:
        super().__init__(inner.max_instances, inner.serialization_dir)
        self.inner = inner
        self.head = head

    def read(self, file_path: DatasetReaderInput) -> Iterator[Instance]:
        """The instances of the inner reader, with their task."""
        for instance in self.inner.read(file_path):
            yield self._with_task(instance)

    def text_to_instance(self, *args: Any, **kwargs: Any) -> Instance:
        """An instance of the inner reader, with its task."""
        return self._with_task(self.inner.text_to_instance(*args, **kwargs))

    def apply_token_indexers(self, instance: Instance) -> None:
        """Call the method of the inner reader."""
        self.inner.apply_token_indexers(instance)

    def _with_task(self, instance: Instance) -> Instance:
        instance.add_field(_TASK_FIELD, MetadataField(self.head))
        return instance

    def _inner_readers(self) -> Iterable[DatasetReader]:
        return [self.inner]


@DatasetReader.register("multitask")
class MultiTaskDatasetReader(DatasetReader):
    """Holds a reader for each task; a multi-task data loader uses each of them separately.

    Args:
        readers: the readers by the names of their tasks.
    """

    def __init__(self, readers: dict[str, DatasetReader]) -> None:
        super().__init__()
        self.readers: dict[str, MultiTaskReaderShim] = {
            task: MultiTaskReaderShim(reader, task) for task, reader in readers.items()
        }

    def _to_params(self) -> dict[str, Any]:
        return {
            **self.all_arguments(),
            "readers": {task: shim.inner for task, shim in self.readers.items()},
        }

    def read(  # type: ignore[override]  # a path for each task, and a task to choose
        self, file_paths: Mapping[str, DatasetReaderInput], *, force_task: str | None = None
    ) -> Iterator[Instance]:
        """The instances of one task.

        Args:
            file_paths: the paths by task.
            force_task: which task.

        Raises:
            RuntimeError: no task is given; this class does not mix tasks.
        """
        if force_task is None:
            raise RuntimeError(
                "MultiTaskDatasetReader.read: expected force_task to name one task; to read all of them, use the "
                '"multitask" data loader'
            )
        return self.readers[force_task].read(file_paths[force_task])

    def text_to_instance(self, task: str, *args: Any, **kwargs: Any) -> Instance:
        """An instance of one task.

        Raises:
            ConfigurationError: there is no such task.
        """
        if not isinstance(task, str) or task not in self.readers:
            raise ConfigurationError(
                f"multitask: expected the name of a task first, one of {', '.join(self.readers)}, got {task!r:.80}; "
                "the predictor for it is 'multitask'"
            )
        return self.readers[task].text_to_instance(*args, **kwargs)

    def apply_token_indexers(self, instance: Instance) -> None:
        """Call the method of the reader of the instance's task."""
        task = instance.fields[_TASK_FIELD]
        assert isinstance(task, MetadataField)
        self.readers[task.metadata].apply_token_indexers(instance)

    def _inner_readers(self) -> Iterable[DatasetReader]:
        return self.readers.values()
