"""Data sets of the Hugging Face hub, and local parquet, arrow, JSON and CSV files."""

import glob
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config import untrusted
from nlpreg.common.imports import optional
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, ShardingDatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import BadLines, DataError, excerpt
from nlpreg.data.dataset_readers.text_file_reader import set_token_indexers, text_field_of
from nlpreg.data.fields import Field, LabelField, MetadataField, SequenceLabelField, TextField
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenIndexer
from nlpreg.data.tokenizers import SpacyTokenizer, Tokenizer
from nlpreg.data.tokenizers.spacy_tokenizer import check_spacy

_FILE_FORMATS = ("arrow", "csv", "json", "parquet", "text")
_ROWS_AT_ONCE = 1000


@DatasetReader.register("huggingface_datasets")
class HuggingfaceDatasetsReader(ShardingDatasetReader):
    """Reads tables with the package `datasets`, and makes fields of their columns.

    With the name of a data set, the data path is a split, such as `train` or `validation[:10%]`; with the name of a file
    format, it is a file, a pattern or a list of files. Each mapping below maps names of fields to names of
    columns. Class labels that the data set stores as numbers are converted to their names; a label of -1 means no label, and
    tags that are all -1 that the words are not tagged.

    Args:
        dataset: name of a data set on the hub, a folder written by `save_to_disk`, or a format of local files: "arrow",
            "csv", "json", "parquet", "text".
        texts: columns that hold text, which the tokenizer splits; `{"tokens": "text"}` if neither this nor `words` is
            given.
        words: columns that hold lists of words.
        labels: columns that hold a class.
        tags: columns that hold a tag for each word of the first field of `words`.
        metadata: columns that become metadata, unchanged.
        config_name: the configuration of the data set, if it has several.
        tokenizer: splits `texts`; spaCy's unless given, so name one ("whitespace") where spaCy is not wanted.
        token_indexers: the indexers of all texts; single ids under the name "tokens" unless given.
        load_arguments: further arguments of `datasets.load_dataset`, such as `streaming` or `revision`.
        skip_bad_lines: whether a row that cannot be read is skipped, counted and reported, instead of ending the run.
        max_instances: read at most this many instances, counted over all processes together.
        serialization_dir: folder of the training run.

    Raises:
        ImportError: (when reading) the package is not installed.
        ConfigurationError: a column does not exist; tags without words.
        DataError: (when reading) a row has no text or no words, or a wrong number of tags; the message names the row.
    """

    def __init__(
        self,
        dataset: str,
        texts: dict[str, str] | None = None,
        words: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
        metadata: dict[str, str] | None = None,
        config_name: str | None = None,
        tokenizer: Tokenizer | None = None,
        token_indexers: dict[str, TokenIndexer] | None = None,
        load_arguments: dict[str, Any] | None = None,
        skip_bad_lines: bool = False,
        max_instances: int | None = None,
        serialization_dir: str | None = None,
    ) -> None:
        super().__init__(max_instances, serialization_dir)
        if tags and not words:
            raise ConfigurationError("huggingface_datasets: tags need words: say which column holds them")
        self._dataset = dataset
        self._texts = texts if texts is not None or words else {"tokens": "text"}
        self._words = words or {}
        self._labels = labels or {}
        self._tags = tags or {}
        self._metadata = metadata or {}
        self._config_name = config_name
        self._tokenizer = (tokenizer or SpacyTokenizer()) if self._texts else None
        self._token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}
        self._load_arguments = load_arguments or {}
        self._skip_bad_lines = skip_bad_lines
        # stored now, because the data set is read after the config has been built
        self._origin = untrusted.current_origin()

    @staticmethod
    def check_arguments(texts: object, words: object, tokenizer: object) -> None:
        """Check that spaCy is installed where it is used; also called by `nlpreg check`."""
        if tokenizer is None and (texts or (texts is None and not words)):
            check_spacy("tokenizer", "name another tokenizer, such as whitespace")

    def text_to_instance(self, inputs: Mapping[str, Any] | str | list[Any]) -> Instance:
        """A row as an instance.

        Args:
            inputs: values by column, where labels and tags may be missing; or the text of the first field of
                `texts`; or the words, or tokens, of the first field of `words`.

        Raises:
            ValueError: a value is not a text or not a list, as required.
            ConfigurationError: the numbers of tags and words differ, or words are given where only texts are read.
        """
        if isinstance(inputs, str):
            inputs = {next(iter((self._texts or {"": "text"}).values())): inputs}
        elif not isinstance(inputs, Mapping):
            if not self._words:
                raise ConfigurationError(
                    f"huggingface_datasets: expected a text, since no column holds words, got {excerpt(repr(inputs))}"
                )
            inputs = {next(iter(self._words.values())): inputs}
        fields: dict[str, Field[Any]] = {}
        for name, column in (self._texts or {}).items():
            assert self._tokenizer is not None
            if column in inputs:
                fields[name] = TextField.from_text(_checked(inputs, column, str), self._tokenizer)
        for name, column in self._words.items():
            if column in inputs:
                fields[name] = text_field_of(_checked(inputs, column, list))
        for name, column in self._tags.items():
            if inputs.get(column) is not None:
                words = fields[next(iter(self._words))]
                assert isinstance(words, TextField)
                fields[name] = SequenceLabelField(_checked(inputs, column, list), words)
        for name, column in self._labels.items():
            if inputs.get(column, -1) not in (None, -1):
                fields[name] = LabelField(str(inputs[column]))
        for name, column in self._metadata.items():
            fields[name] = MetadataField(inputs.get(column))
        return Instance(fields)

    def apply_token_indexers(self, instance: Instance) -> None:
        """Set the token indexers of all texts."""
        for name in (*(self._texts or {}), *self._words):
            if name in instance.fields:
                set_token_indexers(instance.fields[name], self._token_indexers)

    def _read(self, file_path: Any) -> Iterator[Instance]:
        table = self._load(file_path)
        what = f"{self._dataset} ({file_path})"
        used = [*(self._texts or {}).values(), *self._words.values(), *self._tags.values()]
        used += [*self._labels.values(), *self._metadata.values()]
        if table.column_names is not None:  # a stream may not know its columns yet
            for column in used:
                if column not in table.column_names:
                    known = ", ".join(table.column_names)
                    raise ConfigurationError(f'{what}: expected a column "{column}", got the columns {known}')
        names_of = {
            column: _names(feature) for column, feature in (table.features or {}).items() if column in used
        }
        bad_rows = BadLines(self._skip_bad_lines)
        try:
            for number, row in self._rows(table):
                try:
                    instance = self.text_to_instance(
                        {name: names_of.get(name, _identity)(row[name]) for name in used if name in row}
                    )
                except (ConfigurationError, ValueError) as error:
                    bad_rows.add(DataError(f"{what}, row {number}: {error}"))
                    continue
                yield instance
        finally:  # the caller stops after `max_instances`
            bad_rows.report(what)

    def _load(self, file_path: Any) -> Any:
        datasets = optional("datasets", extra="datasets")
        origin = self._origin and self._origin.allowing(file_path)
        with (
            untrusted.guarded(origin),
            untrusted.hub_offline_unless_allowed("huggingface_hub.constants", "datasets.config"),
        ):
            untrusted.check_arguments(self._load_arguments)
            if self._dataset in _FILE_FORMATS:
                files = _files(file_path)
                return datasets.load_dataset(
                    self._dataset, data_files=files, split="train", **self._load_arguments
                )
            if os.path.exists(self._dataset):
                untrusted.check_resource(self._dataset)
            if os.path.exists(os.path.join(self._dataset, "dataset_dict.json")):
                return datasets.load_from_disk(self._dataset)[str(file_path)]
            if os.path.exists(os.path.join(self._dataset, "dataset_info.json")):
                return datasets.load_from_disk(self._dataset)
            try:
                return datasets.load_dataset(
                    self._dataset, self._config_name, split=str(file_path), **self._load_arguments
                )
            except (OSError, ValueError) as error:
                if untrusted.is_restricted():
                    raise untrusted.refusal(
                        f"dataset: {self._dataset!r}", "it is not in the cache of datasets"
                    ) from error
                raise

    def _rows(self, table: Any) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows that belong to this process, each with its number, from 0."""
        if not hasattr(table, "select"):  # a stream
            yield from self._every_nth(enumerate(table), for_ranks=True, for_workers=True)
            return
        mine = list(self._every_nth(range(len(table)), for_ranks=True, for_workers=True))
        numbers = iter(mine)
        for batch in table.select(mine).iter(_ROWS_AT_ONCE):
            for values in zip(*batch.values(), strict=True):
                yield next(numbers), dict(zip(batch, values, strict=True))


def _files(path: Any) -> list[str]:
    paths = path if isinstance(path, (list, tuple)) else [path]
    files: list[str] = []
    for one in map(os.fspath, paths):
        found = sorted(glob.glob(one, recursive=True)) if "://" not in one else [one]
        if not found:
            raise FileNotFoundError(f"{one}: no such file (looked for from {os.getcwd()})")
        files += found
    return files


def _checked(inputs: Mapping[str, Any], column: str, kind: type) -> Any:
    """A value of a row, after checking its type."""
    value = inputs[column]
    if not isinstance(value, kind):
        name = "a text" if kind is str else "a list"
        raise ValueError(f'expected {name} in the column "{column}", got {excerpt(repr(value))}')
    return value


def _identity(value: Any) -> Any:
    return value


def _names(feature: Any) -> Callable[[Any], Any]:
    """A function that converts the values of a column, such as numbers of class labels to their names."""
    inner = getattr(feature, "feature", feature[0] if isinstance(feature, list) else None)
    names = getattr(feature, "names", None)
    if names is not None:
        return lambda number: _name(names, number)
    inner_names = getattr(inner, "names", None)
    if inner_names is None:
        return _identity

    def names_of(numbers: list[int] | None) -> list[str | None] | None:
        if numbers is None or (numbers and set(numbers) == {-1}):
            return None  # the words are not tagged
        return [_name(inner_names, number) for number in numbers]

    return names_of


def _name(names: list[str], number: int | None) -> str | None:
    """The name of a class; None for a label that is missing."""
    return names[number] if number is not None and number >= 0 else None
