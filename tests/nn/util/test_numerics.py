import math

import pytest
import torch

from nlpreg.nn import util
from nlpreg.nn.util.numerics import unit_vectors


def test_limits_are_those_of_the_type() -> None:
    assert util.min_value_of_dtype(torch.float16) == -65504
    assert util.max_value_of_dtype(torch.int8) == 127
    assert util.max_value_of_dtype(torch.float32) == torch.finfo(torch.float32).max
    with pytest.raises(TypeError, match="torch.bool"):
        util.info_value_of_dtype(torch.bool)


@pytest.mark.parametrize(
    ("dtype", "tiny"),
    [(torch.float32, 1e-13), (torch.float64, 1e-13), (torch.float16, 1e-4), (torch.bfloat16, 1e-4)],
)
def test_tiny_value_is_positive_in_its_type(dtype: torch.dtype, tiny: float) -> None:
    assert util.tiny_value_of_dtype(dtype) == tiny
    assert torch.tensor(tiny, dtype=dtype) > 0


def test_tiny_value_is_for_floats_only() -> None:
    with pytest.raises(TypeError, match="int64"):
        util.tiny_value_of_dtype(torch.int64)


def test_logsumexp_does_not_overflow() -> None:
    x = torch.tensor([[1000.0, 1000.0], [-1000.0, -1000.0]])
    torch.testing.assert_close(util.logsumexp(x), torch.tensor([1000.0, -1000.0]) + math.log(2))
    assert util.logsumexp(x, dim=0, keepdim=True).shape == (1, 2)


def test_clamp_dense_and_sparse() -> None:
    dense = torch.tensor([[5.0, -4.0, 3.0], [-3.0, 0.0, -30.0]])
    expected = torch.tensor([[3.0, -3.0, 3.0], [-3.0, 0.0, -3.0]])
    torch.testing.assert_close(util.clamp_tensor(dense, -3, 3), expected)
    clamped = util.clamp_tensor(dense.to_sparse(), -3, 3)
    assert clamped.is_sparse
    torch.testing.assert_close(clamped.to_dense(), expected)


def test_clamp_adds_up_repeated_sparse_entries_first() -> None:
    sparse = torch.sparse_coo_tensor(
        torch.tensor([[0, 0], [1, 1]]), torch.tensor([2.0, 2.0]), (1, 3), check_invariants=True
    )
    torch.testing.assert_close(util.clamp_tensor(sparse, 0, 3).to_dense(), torch.tensor([[0.0, 3.0, 0.0]]))


def test_tensors_equal_looks_into_structures() -> None:
    a = torch.arange(3.0)
    assert util.tensors_equal({"x": [a, (a, 1)]}, {"x": [a.clone(), (a, 1)]})
    assert not util.tensors_equal({"x": a}, {"y": a})
    assert not util.tensors_equal([a], [a, a])
    assert not util.tensors_equal([a], a)
    assert not util.tensors_equal(a, a[:2])
    assert not util.tensors_equal(a, [0.0, 1.0, 2.0])
    assert not util.tensors_equal(a, a + 1e-3)
    assert util.tensors_equal(a, a + 1e-3, tolerance=1e-2)
    assert util.tensors_equal(a > 1, a > 1)
    assert not util.tensors_equal(a > 1, a > 0)
    assert util.tensors_equal(torch.zeros(0), torch.zeros(0))


def test_unit_vectors() -> None:
    found = unit_vectors(torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0.0, 0.0], [0.0, -1.0]]))
