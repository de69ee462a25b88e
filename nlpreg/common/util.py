"""Helpers of all kinds under one name; each lives in a module of its own theme."""

from __future__ import annotations

import os
from typing import Any, Union

from nlpreg.common.distributed import find_open_port, is_distributed, is_global_primary
from nlpreg.common.environment import LOADED_SPACY_MODELS, get_spacy_model, prepare_environment
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
from nlpreg.common.memory import format_size, peak_cpu_memory, peak_gpu_memory
from nlpreg.common.reports import dump_metrics, flatten_filename, format_timedelta
from nlpreg.common.sanitize import sanitize, sanitize_ptb_tokenized_string, sanitize_wordpiece
from nlpreg.common.signals import SigTermReceived, install_sigterm_handler
from nlpreg.common.tensors import (
    get_frozen_and_tunable_parameter_names,
    int_to_device,
    log_frozen_and_tunable_parameter_names,
    nan_safe_tensor_divide,
)

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
