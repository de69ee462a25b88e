"""AllenNLP's `common.util`: helpers, most of them defined in other modules."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Union

from nlpreg.common.files import atomic_write
from nlpreg.common.imports import import_module_and_submodules, push_python_path, pushd
from nlpreg.common.iteration import (
    add_noise_to_dict_values,
    cycle_iterator_function,
    ensure_list,
    group_by_count,
    hash_object,
    is_lazy,
    lazy_groups_of,
    namespace_match,
    pad_sequence_to_length,
    shuffle_iterable,
)
from nlpreg.common.runtime.environment import LOADED_SPACY_MODELS, get_spacy_model, prepare_environment
from nlpreg.common.runtime.memory import format_size, peak_cpu_memory, peak_gpu_memory
from nlpreg.common.runtime.process import (
    SigTermReceived,
    find_open_port,
    install_sigterm_handler,
    is_distributed,
    is_global_primary,
)
from nlpreg.common.sanitize import json_numbers, sanitize, sanitize_ptb_tokenized_string, sanitize_wordpiece

if TYPE_CHECKING:
    import torch


JsonDict = dict[str, Any]
PathType = Union[os.PathLike[str], str]

START_SYMBOL = "@start@"
END_SYMBOL = "@end@"

__all__ = [
    "END_SYMBOL",
    "LOADED_SPACY_MODELS",
    "START_SYMBOL",
    "JsonDict",
    "PathType",
    "SigTermReceived",
    "add_noise_to_dict_values",
    "cycle_iterator_function",
    "dump_metrics",
    "ensure_list",
    "find_open_port",
    "flatten_filename",
    "format_size",
    "format_timedelta",
    "get_frozen_and_tunable_parameter_names",
    "get_spacy_model",
    "group_by_count",
    "hash_object",
    "import_module_and_submodules",
    "install_sigterm_handler",
    "int_to_device",
    "is_distributed",
    "is_global_primary",
    "is_lazy",
    "lazy_groups_of",
    "log_frozen_and_tunable_parameter_names",
    "namespace_match",
    "nan_safe_tensor_divide",
    "pad_sequence_to_length",
    "peak_cpu_memory",
    "peak_gpu_memory",
    "prepare_environment",
    "push_python_path",
    "pushd",
    "sanitize",
    "sanitize_ptb_tokenized_string",
    "sanitize_wordpiece",
    "shuffle_iterable",
]


logger = logging.getLogger(__name__)


def dump_metrics(file_path: str | None, metrics: dict[str, Any], log: bool = False) -> None:
    """Write metrics as JSON to a file, if given, and optionally to the log.

    The file is written atomically. It is valid JSON: non-finite numbers are strings (see `json_numbers`).
    """
    text = json.dumps(json_numbers(metrics), indent=2, allow_nan=False)
    if file_path:
        with atomic_write(file_path) as file:
            file.write((text + "\n").encode("utf-8"))
    if log:
        logger.info("Metrics: %s", text)


def flatten_filename(file_path: str) -> str:
    """Convert a path to a file name: each `/` becomes `_SLASH_`."""
    return file_path.replace("/", "_SLASH_")


def format_timedelta(td: timedelta) -> str:
    """Format a duration: in days, or else in hours and minutes."""
    if td.days:
        return _count(td.days, "day")
    hours, minutes = divmod(td.seconds // 60, 60)
    if not hours:
        return _count(minutes, "min")
    return _count(hours, "hour") + (f", {_count(minutes, 'min')}" if minutes and hours < 2 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def int_to_device(device: int | torch.device) -> torch.device:
    """Convert the number of a GPU, negative for the CPU, to a device; devices are returned unchanged."""
    import torch

    if isinstance(device, torch.device):
        return device
    return torch.device("cpu") if device < 0 else torch.device("cuda", device)


def nan_safe_tensor_divide(numerator: torch.Tensor, denominator: torch.Tensor) -> torch.Tensor:
    """Divide, with a result of 0 wherever the denominator is 0."""
    import torch

    zero = denominator == 0
    # dividing by 1 there keeps NaN out of the gradient, which masking only the quotient would not
    quotient = numerator / torch.where(zero, torch.ones_like(denominator), denominator)
    return quotient.masked_fill(zero, 0.0)


def get_frozen_and_tunable_parameter_names(model: torch.nn.Module) -> tuple[Iterable[str], Iterable[str]]:
    """Names of the frozen and of the trainable parameters."""
    named = list(model.named_parameters())
    frozen = [name for name, parameter in named if not parameter.requires_grad]
    tunable = [name for name, parameter in named if parameter.requires_grad]
    return frozen, tunable


def log_frozen_and_tunable_parameter_names(model: torch.nn.Module) -> None:
    """Log both lists of `get_frozen_and_tunable_parameter_names`."""
    frozen, tunable = get_frozen_and_tunable_parameter_names(model)
    for kind, names in (("frozen (not trained)", frozen), ("tunable (trained)", tunable)):
        logger.info("The following parameters are %s:", kind)
        for name in names:
            logger.info(name)
