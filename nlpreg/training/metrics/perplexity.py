"""Perplexity of a language model."""

import math

from nlpreg.training.metrics.average import Average
from nlpreg.training.metrics.metric import Metric


@Metric.register("perplexity")
class Perplexity(Average):
    """The exponential of the mean of losses in nats.

    Without weights, all calls count equally. If the weight of a batch's mean loss is its number of targets, the result is
    the perplexity of the corpus, independent of how it was split into batches.
    """

    def get_metric(self, reset: bool = False) -> float:
        """`exp` of the mean loss; 0.0 if that mean is 0, as before any call."""
        mean = super().get_metric(reset)
        if mean == 0.0:
            return 0.0
        try:
            return math.exp(mean)
        except OverflowError:
            return math.inf
