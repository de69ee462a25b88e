"""Helpers of training under one name; each lives in a module of its own theme."""

from nlpreg.training.data_setup import data_loaders_from_params, make_vocab_from_params
from nlpreg.training.evaluation_pass import evaluate
from nlpreg.training.metric_reports import (
    HasBeenWarned,
    description_from_metrics,
    get_metrics,
    get_train_and_validation_metrics,
)
from nlpreg.training.serialization_dir import create_serialization_dir
from nlpreg.training.small_helpers import (
    enable_gradient_clipping,
    get_batch_size,
    move_optimizer_to_cuda,
    rescale_gradients,
    str_to_time,
    time_to_str,
)
from nlpreg.training.token_counts import get_valid_tokens_mask, ngrams

__all__ = [
    "HasBeenWarned",
    "create_serialization_dir",
    "data_loaders_from_params",
    "description_from_metrics",
    "enable_gradient_clipping",
    "evaluate",
    "get_batch_size",
    "get_metrics",
    "get_train_and_validation_metrics",
    "get_valid_tokens_mask",
    "make_vocab_from_params",
    "move_optimizer_to_cuda",
    "ngrams",
    "rescale_gradients",
    "str_to_time",
    "time_to_str",
]
