"""Data loaders and vocabulary of a config, built without its model."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.data_loaders.data_loader import DataLoader
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.instance import Instance
from nlpreg.data.vocabulary import Vocabulary

logger = logging.getLogger(__name__)

VOCABULARY_FOLDER = "vocabulary"
_NEEDS_NO_INSTANCES = ("empty", "from_files", "from_pretrained_transformer")


def data_loaders_from_params(
    params: Params,
    train: bool = True,
    validation: bool = True,
    test: bool = True,
    serialization_dir: str | os.PathLike[str] | None = None,
) -> dict[str, DataLoader]:
    """The loaders of the data sets that a config names; the keys used are removed from `params`.

    Args:
        params: the whole config.
        train: whether to make the loader of the training data.
        validation: likewise of the validation data.
        test: likewise of the test data.
        serialization_dir: folder of the run, for readers that want it.

    Returns:
        A loader under `train`, `validation` and `test` for each data set that is wanted and has a path.
    """
    wanted = {"train": train, "validation": validation, "test": test}
    paths = {
        name: params.params.pop(f"{name}_data_path")
        for name in wanted
        if wanted[name] and params.params.get(f"{name}_data_path") is not None
    }
    if not paths:
        return {}
    reader_params = params.pop("dataset_reader")
    other_reader_params = params.pop("validation_dataset_reader", None)
    loader_params = params.pop("data_loader")
    other_loader_params = params.pop("validation_data_loader", None)
    reader = DatasetReader.from_params(reader_params, serialization_dir=serialization_dir)
    other_reader = reader
    if other_reader_params is not None and set(paths) - {"train"}:
        other_reader = DatasetReader.from_params(other_reader_params, serialization_dir=serialization_dir)
    loaders: dict[str, DataLoader] = {}
    for name, path in paths.items():
        section = loader_params if name == "train" else other_loader_params or loader_params
        # `from_params` removes the keys it reads, and validation and test data share a section
        section = section.duplicate() if isinstance(section, Params) else section
        chosen = reader if name == "train" else other_reader
        loaders[name] = DataLoader.from_params(section, reader=chosen, data_path=path)
    return loaders


def make_vocab_from_params(
    params: Params, serialization_dir: str | os.PathLike[str], print_statistics: bool = False
) -> Vocabulary:
    """Build the vocabulary of a config and save it in the folder of the run.

    Args:
        params: the whole config; its keys for data and vocabulary are removed.
        serialization_dir: the vocabulary goes into its sub-folder `vocabulary`.
        print_statistics: whether to print what the data and the vocabulary hold.

    Raises:
        ConfigurationError: there is a vocabulary in the folder, or `datasets_for_vocab_creation` names a data set
            that the config does not have.
    """
    folder = os.path.join(os.fspath(serialization_dir), VOCABULARY_FOLDER)
    if os.path.isdir(folder) and os.listdir(folder):
        raise ConfigurationError(
            f"{folder}: there is a vocabulary already; delete it, or give another folder"
        )
    vocab_params = params.pop("vocabulary", {})
    if isinstance(vocab_params, str):
        vocab_params = Params({"type": vocab_params})
    wanted = params.params.pop("datasets_for_vocab_creation", None)
    needs_no_instances = vocab_params.get("type") in _NEEDS_NO_INSTANCES
    names = _names_of_data_sets(params, [] if needs_no_instances and wanted is None else wanted)
    loaders = data_loaders_from_params(
        params,
        train="train" in names,
        validation="validation" in names,
        test="test" in names,
        serialization_dir=serialization_dir,
    )
    instances = chain.from_iterable(loader.iter_instances() for loader in loaders.values())
    vocab = Vocabulary.from_params(vocab_params, instances=_logged(instances, list(loaders)))
    os.makedirs(folder, exist_ok=True)
    vocab.save_to_files(folder)
    if print_statistics:
        _print_statistics(vocab, loaders)
    return vocab


def _names_of_data_sets(params: Params, wanted: Iterable[str] | None) -> list[str]:
    there = [
        name for name in ("train", "validation", "test") if params.get(f"{name}_data_path", None) is not None
    ]
    if wanted is None:
        return there
    for name in wanted:
        if name not in there:
            raise ConfigurationError(
                f"datasets_for_vocab_creation: expected names out of {there}, the data sets of the config, got {name!r}"
            )
    return list(wanted)


def _logged(instances: Iterable[Instance], names: list[str]) -> Iterator[Instance]:
    """The instances, with a line in the log once they are all read."""
    count = 0
    for instance in instances:
        count += 1
        yield instance
    logger.info("the vocabulary is made from %d instances (%s)", count, ", ".join(names) or "no data")


def _print_statistics(vocab: Vocabulary, loaders: dict[str, Any]) -> None:
    for name, loader in loaders.items():
        count = sum(1 for _ in loader.iter_instances())
        print(f"{name}: {count} instances")
    vocab.print_statistics()
