"""Dropout by 16-bit draws."""

import pytest
import torch

from nlpreg.nn.dropout import Dropout, dropout


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_share_and_scale(p, dtype):
    values = torch.ones(1000, 301, dtype=dtype)
    dropped = dropout(values, p)
    assert dropped.dtype == dtype and dropped.shape == values.shape
    share = (dropped == 0).double().mean().item()
    assert abs(share - p) < 5 * (p * (1 - p) / values.numel()) ** 0.5 + 1e-5
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)), rtol=1e-3, atol=0)
    assert abs(dropped.mean().item() - 1) < 5 * (p / (1 - p) / values.numel()) ** 0.5 + 1e-6


def test_values_fall_one_by_one():
    """Neighbours, which share a draw, fall independently of each other."""
    is_kept = dropout(torch.ones(400_000), 0.5) != 0
    groups = is_kept.view(-1, 4).double()
    covariance = torch.cov(groups.T)
    torch.testing.assert_close(covariance, 0.25 * torch.eye(4, dtype=torch.double), atol=5e-3, rtol=0)


def test_gradients_fall_with_the_values():
    values = torch.randn(100, 100, requires_grad=True)
    dropped = dropout(values, 0.3)
    dropped.sum().backward()
    torch.testing.assert_close(dropped.detach(), values.detach() * values.grad)


@pytest.mark.parametrize("p", [0.0, 1.0, 1e-9])
@pytest.mark.parametrize("size", [10, 10_000])
def test_edges(p, size):
    values = torch.randn(size)
    expected = torch.zeros(size) if p == 1 else values
    assert torch.equal(dropout(values, p), expected)


def test_few_values_and_evaluation():
    values = torch.ones(100)
    assert 10 < (dropout(values, 0.5) == 0).sum() < 90
    layer = Dropout(0.5)
    assert isinstance(layer, torch.nn.Dropout)
    assert (layer(torch.ones(5000)) == 0).any()
    assert torch.equal(layer.eval()(torch.ones(5000)), torch.ones(5000))
    changed = torch.ones(5000)
    assert Dropout(0.5, inplace=True)(changed) is changed and (changed == 0).any()


def test_the_seed_decides():
    values = torch.ones(5000)
    torch.manual_seed(3)
    first = dropout(values, 0.5)
    torch.manual_seed(3)
    assert torch.equal(dropout(values, 0.5), first)
    assert not torch.equal(dropout(values, 0.5), first)


def test_wrong_chances():
    with pytest.raises(ValueError, match="between 0 and 1, but got 1.5"):
        dropout(torch.ones(5000), 1.5)
