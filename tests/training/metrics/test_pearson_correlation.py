import numpy
import pytest
import torch

from nlpreg.training.metrics import PearsonCorrelation


def test_against_numpy_in_parts():
    generator = torch.Generator().manual_seed(2)
    x, y = torch.randn(2, 40, generator=generator)
    y = y - 0.7 * x
    mask = torch.arange(40) % 5 > 0
    correlation = PearsonCorrelation()
    for part in (slice(0, 3), slice(3, 40)):
        correlation(x[part], y[part], mask[part])
    expected = numpy.corrcoef(x[mask].numpy(), y[mask].numpy())[0, 1]
    assert correlation.get_metric(reset=True) == pytest.approx(expected, rel=1e-5)
    assert correlation.get_metric() == 0.0


def test_a_constant_has_no_correlation():
    correlation = PearsonCorrelation()
    correlation(torch.ones(5), torch.arange(5.0))
    assert correlation.get_metric() == 0.0
