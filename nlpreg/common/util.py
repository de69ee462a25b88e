"""AllenNLP's `common.util`: helpers, most of them defined in other modules."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Union

from nlpreg.common.files import atomic_write
from nlpreg.common.imports import import_module_and_submodules as import_module_and_submodules
from nlpreg.common.imports import push_python_path as push_python_path
from nlpreg.common.imports import pushd as pushd
from nlpreg.common.iteration import add_noise_to_dict_values as add_noise_to_dict_values
from nlpreg.common.iteration import cycle_iterator_function as cycle_iterator_function
from nlpreg.common.iteration import ensure_list as ensure_list
from nlpreg.common.iteration import group_by_count as group_by_count
from nlpreg.common.iteration import hash_object as hash_object
from nlpreg.common.iteration import is_lazy as is_lazy
from nlpreg.common.iteration import lazy_groups_of as lazy_groups_of
from nlpreg.common.iteration import namespace_match as namespace_match
from nlpreg.common.iteration import pad_sequence_to_length as pad_sequence_to_length
from nlpreg.common.iteration import shuffle_iterable as shuffle_iterable
from nlpreg.common.runtime.environment import LOADED_SPACY_MODELS as LOADED_SPACY_MODELS
from nlpreg.common.runtime.environment import get_spacy_model as get_spacy_model
from nlpreg.common.runtime.environment import prepare_environment as prepare_environment
from nlpreg.common.runtime.memory import format_size as format_size
from nlpreg.common.runtime.memory import peak_cpu_memory as peak_cpu_memory
from nlpreg.common.runtime.memory import peak_gpu_memory as peak_gpu_memory
from nlpreg.common.runtime.process import SigTermReceived as SigTermReceived
from nlpreg.common.runtime.process import find_open_port as find_open_port
from nlpreg.common.runtime.process import install_sigterm_handler as install_sigterm_handler
from nlpreg.common.runtime.process import is_distributed as is_distributed
from nlpreg.common.runtime.process import is_global_primary as is_global_primary
from nlpreg.common.sanitize import json_numbers
from nlpreg.common.sanitize import sanitize as sanitize
from nlpreg.common.sanitize import sanitize_ptb_tokenized_string as sanitize_ptb_tokenized_string
from nlpreg.common.sanitize import sanitize_wordpiece as sanitize_wordpiece

if TYPE_CHECKING:
    import torch


JsonDict = dict[str, Any]
PathType = Union[os.PathLike[str], str]

START_SYMBOL = "@start@"
END_SYMBOL = "@end@"


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


def first_sentence(error: BaseException) -> str:
    """The first sentence of the message of an error, or its type if it has none; at most 300 characters."""
    return str(error).strip().partition("\n")[0].partition(". ")[0][:300] or type(error).__name__


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


def int_to_device(device: int | str | torch.device) -> torch.device:
    """Convert the number of a GPU, negative for the CPU, or the name of a device; devices are returned unchanged."""
    import torch

    if not isinstance(device, int):
        return torch.device(device)
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
