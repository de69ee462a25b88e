import numpy
import pytest
import torch

from nlpreg.training.metrics import Covariance
from nlpreg.training.metrics.covariance import merged, moments_of


def _streams(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(50, generator=generator) * 3 + 1000
    return x, x * 0.5 + torch.randn(50, generator=generator)


def test_against_numpy_in_parts():
    x, y = _streams()
    mask = torch.arange(50) % 4 > 0
    covariance = Covariance()
    for part in (slice(0, 1), slice(1, 20), slice(20, 50)):
        covariance(x[part], y[part], mask[part])
    expected = numpy.cov(x[mask].double().numpy(), y[mask].double().numpy())[0, 1]
    assert covariance.get_metric() == pytest.approx(expected)


def test_any_shape():
    x, y = _streams()
    covariance = Covariance()
    covariance(x.view(5, 10), y.view(5, 10))
    assert covariance.get_metric(reset=True) == pytest.approx(numpy.cov(x.numpy(), y.numpy())[0, 1], rel=1e-4)
    assert covariance.get_metric() == 0.0


def test_one_number_has_no_covariance():
    covariance = Covariance()
    covariance(torch.tensor([3.0]), torch.tensor([4.0]))
    assert covariance.get_metric() == 0.0


def test_merging_with_nothing_changes_nothing():
    x, y = (stream.double() for stream in _streams())
    moments = moments_of(x, y)
    nothing = torch.zeros(6, dtype=torch.float64)
    torch.testing.assert_close(merged(nothing, moments), moments)
    torch.testing.assert_close(merged(moments, nothing), moments)
    torch.testing.assert_close(merged(nothing, nothing), nothing)
