"""Perplexity of a language model."""

import math

from nlpreg.training.metrics.average import Average
from nlpreg.training.metrics.metric import Metric


@Metric.register("perplexity")
class Perplexity(Average):
    """The exponential of the mean of losses in nats.

    Called with a loss alone, each call counts the same. Called with the mean loss of a batch and, as its weight, the
    number of targets of the batch, the result is the perplexity of the corpus, however it was cut into batches.
    """

    def get_metric(self, reset: bool = False) -> float:
        """`exp` of the mean loss; 0.0 where that mean is 0, as it is before any call."""
        mean = super().get_metric(reset)
        if mean == 0.0:
            return 0.0
        try:
            return math.exp(mean)
        except OverflowError:
            return math.inf
