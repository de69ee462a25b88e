"""Optimizers, by registered name, and groups of parameters."""

from nlpreg.training.optimizers.dense_sparse_adam import DenseSparseAdam
from nlpreg.training.optimizers.huggingface import HuggingfaceAdafactor, HuggingfaceAdamWOptimizer
from nlpreg.training.optimizers.multi import MultiOptimizer
from nlpreg.training.optimizers.optimizer import (
    Optimizer,
    ParameterGroupsType,
    check_group_options,
    make_parameter_groups,
)
from nlpreg.training.optimizers.torch_optimizers import (
    AdadeltaOptimizer,
    AdagradOptimizer,
    AdamaxOptimizer,
    AdamOptimizer,
    AdamWOptimizer,
    AveragedSgdOptimizer,
    LbfgsOptimizer,
    RmsPropOptimizer,
    SgdOptimizer,
    SparseAdamOptimizer,
)

__all__ = [
    "AdadeltaOptimizer",
    "AdagradOptimizer",
    "AdamOptimizer",
    "AdamWOptimizer",
    "AdamaxOptimizer",
    "AveragedSgdOptimizer",
    "DenseSparseAdam",
    "HuggingfaceAdafactor",
    "HuggingfaceAdamWOptimizer",
    "LbfgsOptimizer",
    "MultiOptimizer",
    "Optimizer",
    "ParameterGroupsType",
    "RmsPropOptimizer",
    "SgdOptimizer",
    "SparseAdamOptimizer",
    "check_group_options",
    "make_parameter_groups",
]
