"""The building blocks of models; each family of registered classes has a package of its own."""

from nlpreg.modules.feedforward import FeedForward
from nlpreg.modules.softmax_loss import SoftmaxLoss
from nlpreg.modules.time_distributed import TimeDistributed

__all__ = ["FeedForward", "SoftmaxLoss", "TimeDistributed"]
