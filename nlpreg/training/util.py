"""Functions under AllenNLP's names: data loaders and the vocabulary of a config, gradients, metrics, evaluation."""

import logging
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import DataLoader, DatasetReader, Instance, Vocabulary
from nlpreg.training.gradients import clip_gradient_norm
from nlpreg.training.metrics.bleu import count_ngrams
from nlpreg.training.metrics_log import HasBeenWarned as HasBeenWarned
from nlpreg.training.metrics_log import description_from_metrics as description_from_metrics
from nlpreg.training.metrics_log import get_metrics as get_metrics
from nlpreg.training.metrics_log import get_train_and_validation_metrics as get_train_and_validation_metrics
from nlpreg.training.protocols import TrainableModel
from nlpreg.training.serialization_dir import create_serialization_dir as create_serialization_dir
from nlpreg.training.validation import evaluate as evaluate

_TIME_FORMAT = "%Y-%m-%d-%H-%M-%S"


def move_optimizer_to_cuda(optimizer: torch.optim.Optimizer) -> None:
    """Move the state of an optimizer to the devices of its parameters."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            for name, value in state.items():
                if isinstance(value, Tensor):
                    state[name] = value.to(parameter.device)


def get_batch_size(batch: Any) -> int:
    """The size of the first dimension of a tensor, or of the first tensor in a nested dictionary; 0 without any."""
    while isinstance(batch, dict) and batch:
        batch = next(iter(batch.values()))
    return batch.size(0) if isinstance(batch, Tensor) and batch.dim() else 0


def time_to_str(timestamp: float) -> str:
    """Format a Unix timestamp as local time, such as 2022-11-28-16-05-59."""
    return datetime.fromtimestamp(int(timestamp)).strftime(_TIME_FORMAT)


def str_to_time(time_str: str) -> datetime:
    """The inverse of `time_to_str`."""
    return datetime.strptime(time_str, _TIME_FORMAT)


def enable_gradient_clipping(model: TrainableModel, grad_clipping: float | None) -> None:
    """Register hooks that clip each element of each gradient to [-grad_clipping, grad_clipping]; None clips nothing."""
    if grad_clipping is None:
        return
    limit = grad_clipping

    def clip(gradient: Tensor) -> Tensor:
        if not gradient.is_sparse:
            return gradient.clamp(-limit, limit)
        gradient = gradient.coalesce()
        values = gradient.values().clamp(-limit, limit)
        return torch.sparse_coo_tensor(
            gradient.indices(), values, gradient.shape, is_coalesced=True, check_invariants=False
        )

    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.register_hook(clip)  # type: ignore[no-untyped-call]  # torch has no annotations here


def rescale_gradients(model: TrainableModel, grad_norm: float | None = None) -> float | None:
    """Scale the gradients of a model down to a norm.

    Returns:
        The norm before scaling; None without `grad_norm`.
    """
    if not grad_norm:
        return None
    return float(clip_gradient_norm(model.parameters(), grad_norm))


def ngrams(tensor: Tensor, ngram_size: int, exclude_indices: Collection[int]) -> Counter[tuple[int, ...]]:
    """Count the n-grams of a sequence, except those that contain an excluded id.

    Args:
        tensor: ids, of shape (L,).
        ngram_size: n, at least 1.
        exclude_indices: excluded ids, such as that of the padding.
    """
    return count_ngrams(tensor.tolist(), ngram_size, frozenset(exclude_indices))


def get_valid_tokens_mask(tensor: Tensor, exclude_indices: Collection[int]) -> Tensor:
    """True where an id is not excluded; of the shape of `tensor`."""
    if not exclude_indices:
        return torch.ones_like(tensor, dtype=torch.bool)
    excluded = torch.tensor(sorted(exclude_indices), device=tensor.device, dtype=tensor.dtype)
    return ~torch.isin(tensor, excluded)


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
    """Build the data loaders of a config; the keys used are removed from `params`.

    Args:
        params: the whole config.
        train: whether to build the loader of the training data.
        validation: whether to build the loader of the validation data.
        test: whether to build the loader of the test data.
        serialization_dir: folder of the run, passed to readers that take it.

    Returns:
        The loaders, by `train`, `validation` and `test`, of the requested data sets that have a path.
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
        serialization_dir: the vocabulary is saved in its subfolder `vocabulary`.
        print_statistics: whether to print statistics of the data and the vocabulary.

    Raises:
        ConfigurationError: the folder already has a vocabulary, or `datasets_for_vocab_creation` names a data set
            that the config does not have.
    """
    folder = os.path.join(os.fspath(serialization_dir), VOCABULARY_FOLDER)
    if os.path.isdir(folder) and os.listdir(folder):
        raise ConfigurationError(
            f"{folder}: this folder already has a vocabulary; delete it, or give another folder"
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
    known = [
        name for name in ("train", "validation", "test") if params.get(f"{name}_data_path", None) is not None
    ]
    if wanted is None:
        return known
    for name in wanted:
        if name not in known:
            raise ConfigurationError(
                f"datasets_for_vocab_creation: expected names out of {known}, the data sets of the config, got {name!r}"
            )
    return list(wanted)


def _logged(instances: Iterable[Instance], names: list[str]) -> Iterator[Instance]:
    """Yield the instances, and log their number at the end."""
    count = 0
    for instance in instances:
        count += 1
        yield instance
    logger.info("the vocabulary was built from %d instances (%s)", count, ", ".join(names) or "no data")


def _print_statistics(vocab: Vocabulary, loaders: dict[str, Any]) -> None:
    for name, loader in loaders.items():
        count = sum(1 for _ in loader.iter_instances())
        print(f"{name}: {count} instances")
    vocab.print_statistics()
