"""Optimizers, by registered name, and groups of parameters."""

from nlpreg.training.optimizers.adadelta import AdadeltaOptimizer
from nlpreg.training.optimizers.adagrad import AdagradOptimizer
from nlpreg.training.optimizers.adam import AdamOptimizer
from nlpreg.training.optimizers.adamax import AdamaxOptimizer
from nlpreg.training.optimizers.adamw import AdamWOptimizer
from nlpreg.training.optimizers.averaged_sgd import AveragedSgdOptimizer
from nlpreg.training.optimizers.dense_sparse_adam import DenseSparseAdam
from nlpreg.training.optimizers.huggingface_adafactor import HuggingfaceAdafactor
from nlpreg.training.optimizers.huggingface_adamw import HuggingfaceAdamWOptimizer
from nlpreg.training.optimizers.multi import MultiOptimizer
from nlpreg.training.optimizers.optimizer import Optimizer
from nlpreg.training.optimizers.parameter_groups import ParameterGroupsType, make_parameter_groups
from nlpreg.training.optimizers.rmsprop import RmsPropOptimizer
from nlpreg.training.optimizers.sgd import SgdOptimizer
from nlpreg.training.optimizers.sparse_adam import SparseAdamOptimizer

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
    "MultiOptimizer",
    "Optimizer",
    "ParameterGroupsType",
    "RmsPropOptimizer",
    "SgdOptimizer",
    "SparseAdamOptimizer",
    "make_parameter_groups",
]
