"""Several data sets read as one."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.iteration import in_turn
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, ShardingDatasetReader
from nlpreg.data.dataset_readers.text_file_reader import check_choice
from nlpreg.data.fields.metadata_field import MetadataField
from nlpreg.data.instance import Instance


@DatasetReader.register("interleaving")
class InterleavingDatasetReader(ShardingDatasetReader):
    """Reads several data sets, each with its own reader, and mixes their instances.

    With several processes, each reader divides its own data set.

    Fields: those of the readers, and one with the name of the reader.

    Args:
        readers: the readers by name. The data path is then a mapping (or JSON text of one) from the same names to paths.
        dataset_field_name: name of the metadata field with the name of the instance's reader.
        scheme: "round_robin" takes an instance of each data set in turn until all are exhausted; "all_at_once" reads one
            data set after another.
        max_instances: read at most this many instances, counted over all data sets and processes together.
        serialization_dir: folder of the training run.

    Raises:
        ConfigurationError: another scheme; (when reading) the names of readers and paths differ.
    """

    schemes: ClassVar[tuple[str, ...]] = ("round_robin", "all_at_once")

    def __init__(
        self,
        readers: dict[str, DatasetReader],
        dataset_field_name: str = "dataset",
        scheme: str = "round_robin",
        max_instances: int | None = None,
        serialization_dir: str | None = None,
    ) -> None:
        # the inner readers divide the data
        super().__init__(max_instances, serialization_dir)
        check_choice("interleaving", "scheme", scheme, self.schemes)
        self._readers = readers
        self._dataset_field_name = dataset_field_name
        self._scheme = scheme

    def text_to_instance(self, dataset_key: Any, *args: Any, **kwargs: Any) -> Instance:
        """An instance made by the reader with that name.

        A predictor passes no name: a single argument that is no name is passed to the first reader.
        """
        if not (args or kwargs or (isinstance(dataset_key, str) and dataset_key in self._readers)):
            dataset_key, args = next(iter(self._readers)), (dataset_key,)
        instance = self._readers[dataset_key].text_to_instance(*args, **kwargs)
        return self._with_name(instance, dataset_key)

    def apply_token_indexers(self, instance: Instance) -> None:
        """Call the method of the instance's reader."""
        origin = instance.fields[self._dataset_field_name]
        assert isinstance(origin, MetadataField)
        self._readers[origin.metadata].apply_token_indexers(instance)

    def _inner_readers(self) -> Iterable[DatasetReader]:
        return self._readers.values()

    def _read(self, file_path: str | Mapping[str, Any]) -> Iterator[Instance]:
        paths = self._paths(file_path)
        streams = {name: self._stream(name, paths[name]) for name in self._readers}
        if self._scheme == "all_at_once":
            for stream in streams.values():
                yield from stream
        else:
            yield from in_turn(streams.values())

    def _paths(self, file_path: str | Mapping[str, Any]) -> Mapping[str, Any]:
        paths: Any = file_path
        if isinstance(file_path, str):
            try:
                paths = json.loads(file_path)
            except json.JSONDecodeError as error:
                raise ConfigurationError(
                    f"interleaving: expected a mapping from names of readers to paths, or JSON of one, got {file_path!r}"
                ) from error
        if not isinstance(paths, Mapping) or set(paths) != set(self._readers):
            found = sorted(paths) if isinstance(paths, Mapping) else repr(paths)
            raise ConfigurationError(
                f"interleaving: expected a path for each of the readers {sorted(self._readers)}, got {found}"
            )
        return paths

    def _stream(self, name: str, path: Any) -> Iterator[Instance]:
        for instance in self._readers[name].read(path):
            yield self._with_name(instance, name)

    def _with_name(self, instance: Instance, name: str) -> Instance:
        instance.fields[self._dataset_field_name] = MetadataField(name)
        return instance
