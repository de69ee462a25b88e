import math

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn import util
from nlpreg.nn.util.masks import unit_vectors

MASK = torch.tensor([[True, True, False], [False, False, False], [True, False, True]])
VECTOR = torch.tensor([[1.0, 2.0, 30.0], [4.0, 5.0, 6.0], [7.0, 80.0, 9.0]])


def test_lengths_and_masks_are_inverse() -> None:
    lengths = torch.tensor([4, 0, 1])
    mask = util.get_mask_from_sequence_lengths(lengths, 5)
    assert mask.tolist() == [[True] * 4 + [False], [False] * 5, [True] + [False] * 4]
    assert util.get_lengths_from_binary_sequence_mask(mask).tolist() == [4, 0, 1]


def test_dropout_mask_keeps_the_mean() -> None:
    torch.manual_seed(0)
    mask = util.get_dropout_mask(0.25, torch.zeros(200, 200, dtype=torch.long))
    assert mask.unique().tolist() == [0.0, pytest.approx(1 / 0.75)]
    assert mask.mean().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("memory_efficient", [False, True])
def test_masked_softmax_sees_unmasked_elements_only(memory_efficient: bool) -> None:
    result = util.masked_softmax(VECTOR, MASK, memory_efficient=memory_efficient)
    torch.testing.assert_close(result[0, :2], torch.softmax(VECTOR[0, :2], 0))
    torch.testing.assert_close(result[2, ::2], torch.softmax(VECTOR[2, ::2], 0))
    assert result[0, 2] == 0
    torch.testing.assert_close(result[1], torch.full((3,), 1 / 3 if memory_efficient else 0.0))


def test_masked_softmax_without_mask_is_softmax() -> None:
    torch.testing.assert_close(util.masked_softmax(VECTOR, None, dim=0), torch.softmax(VECTOR, 0))


def test_masked_softmax_inserts_dimensions_after_the_first() -> None:
    scores = torch.randn(3, 4, 2, 3)
    result = util.masked_softmax(scores, MASK)
    for b in range(3):
        torch.testing.assert_close(result[b, 1], util.masked_softmax(scores[b, 1], MASK[b].expand(2, 3)))


def test_masked_softmax_in_half_precision_is_finite() -> None:
    result = util.masked_softmax(VECTOR.half(), MASK)
    assert torch.isfinite(result).all()


def test_masked_log_softmax() -> None:
    result = util.masked_log_softmax(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[True, True, False]]))
    log_z = math.log(math.e + math.e**2)
    torch.testing.assert_close(result[0, :2], torch.tensor([1 - log_z, 2 - log_z]))
    assert result[0, 2].item() == pytest.approx(3 + math.log(1e-13) - log_z, abs=1e-3)
    assert torch.isfinite(util.masked_log_softmax(VECTOR, MASK)).all()
    torch.testing.assert_close(util.masked_log_softmax(VECTOR, None), torch.log_softmax(VECTOR, -1))


def test_masked_max_and_mean() -> None:
    lowest = torch.finfo(torch.float32).min
    assert util.masked_max(VECTOR, MASK, dim=1).tolist() == [2.0, lowest, 9.0]
    assert util.masked_max(VECTOR, MASK, dim=0, keepdim=True).tolist() == [[7.0, 2.0, 9.0]]
    torch.testing.assert_close(util.masked_mean(VECTOR, MASK, dim=1), torch.tensor([1.5, 0.0, 8.0]))
    assert util.masked_mean(VECTOR, MASK, dim=1, keepdim=True).shape == (3, 1)


def test_masked_mean_ignores_nan_at_padding() -> None:
    vector = torch.tensor([[1.0, math.nan]])
    assert util.masked_mean(vector, torch.tensor([[True, False]]), dim=1).item() == 1.0


def test_replace_masked_values() -> None:
    replaced = util.replace_masked_values(VECTOR, MASK, -1.0)
    assert replaced[1].tolist() == [-1.0] * 3
    assert replaced[0].tolist() == [1.0, 2.0, -1.0]
    with pytest.raises(ConfigurationError, match="equally many dimensions"):
        util.replace_masked_values(VECTOR, MASK[0], 0.0)


def test_masked_topk_keeps_the_order() -> None:
    values, mask, indices = util.masked_topk(
        torch.tensor([[5.0, 1.0, 4.0, 3.0]]), torch.tensor([[True, True, False, True]]), 2
    )
    assert values.tolist() == [[5.0, 3.0]]
    assert indices.tolist() == [[0, 3]]
    assert mask.all()


def test_masked_topk_fills_the_slots_beyond_a_smaller_k_with_the_largest_index() -> None:
    scores = torch.tensor([[4.0, 5.0, 3.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
    _, mask, indices = util.masked_topk(scores, torch.ones(2, 4), torch.tensor([1, 3]))
    assert indices.tolist() == [[1, 2, 2], [1, 2, 3]]
    assert mask.tolist() == [[True, False, False], [True, True, True]]


@pytest.mark.parametrize("dtype", [torch.long, torch.float32])
def test_masks_may_be_zeros_and_ones_of_any_type(dtype: torch.dtype) -> None:
    other = MASK.to(dtype)
    for operation in (
        lambda mask: util.masked_softmax(VECTOR, mask),
        lambda mask: util.masked_softmax(VECTOR, mask, memory_efficient=True),
        lambda mask: util.masked_log_softmax(VECTOR, mask),
        lambda mask: util.masked_max(VECTOR, mask, dim=1),
        lambda mask: util.masked_mean(VECTOR, mask, dim=1),
        lambda mask: util.replace_masked_values(VECTOR, mask, 7.0),
        lambda mask: util.masked_topk(VECTOR, mask, 1)[0],
        util.get_lengths_from_binary_sequence_mask,
    ):
        assert torch.equal(operation(other), operation(MASK))


def test_masked_topk_equals_sorting_row_by_row() -> None:
    torch.manual_seed(1)
    scores, mask = torch.randn(6, 7), torch.rand(6, 7) > 0.4
    counts = torch.tensor([0, 1, 2, 3, 7, 4])
    values, chosen, indices = util.masked_topk(scores, mask, counts)
    assert values.shape == (6, 7)
    for row in range(6):
        allowed = [i for i in range(7) if mask[row, i]]
        best = sorted(sorted(allowed, key=lambda i: -scores[row, i].item())[: int(counts[row])])
        assert indices[row][chosen[row]].tolist() == best
        torch.testing.assert_close(values[row][chosen[row]], scores[row, best])


def test_masked_topk_along_another_dimension() -> None:
    torch.manual_seed(2)
    scores, mask = torch.randn(2, 5, 3), torch.rand(2, 5, 3) > 0.3
    values, chosen, indices = util.masked_topk(scores, mask, 2, dim=1)
    turned = util.masked_topk(scores.transpose(1, 2), mask.transpose(1, 2), 2, dim=-1)
    for here, there in zip((values, chosen, indices), turned, strict=True):
        assert here.shape == (2, 2, 3)
        assert torch.equal(here, there.transpose(1, 2))


def test_masked_topk_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="same shape"):
        util.masked_topk(VECTOR, MASK[:2], 1)
    with pytest.raises(ValueError, match="dim must be"):
        util.masked_topk(VECTOR, MASK, 1, dim=2)
    with pytest.raises(ValueError, match="k must have the shape"):
        util.masked_topk(VECTOR, MASK, torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="only 3 items"):
        util.masked_topk(VECTOR, MASK, 4)


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
