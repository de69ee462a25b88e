"""Pearson's correlation of two streams of numbers."""

import math

from nlpreg.training.metrics.covariance import Covariance
from nlpreg.training.metrics.metric import Metric


@Metric.register("pearson_correlation")
class PearsonCorrelation(Covariance):
    """Pearson's correlation coefficient of predicted and gold numbers, without storing the numbers."""

    def get_metric(self, reset: bool = False) -> float:
        """The coefficient, from -1 to 1; 0.0 where the product of the standard deviations is 0 to five decimals."""
        n, xx, yy, xy = self._all_moments(reset)
        if n < 2:
            return 0.0
        deviations = math.sqrt(xx / (n - 1)) * math.sqrt(yy / (n - 1))
        if round(deviations, 5) == 0:
            return 0.0
        return xy / (n - 1) / deviations
