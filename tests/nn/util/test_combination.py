import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn import util

X = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])
Y = torch.tensor([[[5.0, 6.0]], [[7.0, 8.0]]])


@pytest.mark.parametrize(
    ("combination", "first"),
    [
        ("x", [1, 2]),
        ("x,y", [1, 2, 5, 6]),
        ("1*2,2", [5, 12, 5, 6]),
        ("y-x", [4, 4]),
        ("x+y, x/y", [6, 8, 0.2, 2 / 6]),
    ],
)
def test_pieces(combination: str, first: list[float]) -> None:
    result = util.combine_tensors(combination, [X, Y])
    torch.testing.assert_close(result[0, 0], torch.tensor(first, dtype=torch.float32))
    assert result.size(-1) == util.get_combined_dim(combination, [2, 2])


def test_three_tensors() -> None:
    result = util.combine_tensors("1*3,2", [X, Y, X])
    torch.testing.assert_close(result, torch.cat([X * X, Y], -1))


def test_tensors_broadcast() -> None:
    assert util.combine_tensors("x,y", [torch.zeros(2, 1, 3), torch.ones(2, 4, 5)]).shape == (2, 4, 8)


@pytest.mark.parametrize("combination", ["x%y", "xy", "", "3", "x*z", "1*"])
def test_unreadable_combinations(combination: str) -> None:
    with pytest.raises(ConfigurationError, match="expected"):
        util.combine_tensors(combination, [X, Y])
    with pytest.raises(ConfigurationError, match="expected"):
        util.get_combined_dim(combination, [2, 2])


def test_limits_of_combinations() -> None:
    with pytest.raises(ConfigurationError, match="at most 9"):
        util.combine_tensors("1", [X] * 10)
    with pytest.raises(ConfigurationError, match="sizes 2 and 3"):
        util.get_combined_dim("x*y", [2, 3])


SHAPES = [
    ((2, 3, 4), (2, 3, 4)),
    ((2, 1, 4), (2, 3, 4)),
    ((2, 3, 1, 4), (2, 1, 5, 4)),
    ((2, 1, 5, 4), (2, 3, 1, 4)),
]


@pytest.mark.parametrize("combination", ["x,y", "x*y", "x,y,x*y", "x/y,y", "x+y,x-y"])
@pytest.mark.parametrize(("shape_1", "shape_2"), SHAPES)
def test_multiplying_equals_the_dot_product_of_the_combination(
    combination: str, shape_1: tuple[int, ...], shape_2: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    x, y = torch.rand(shape_1) + 0.5, torch.rand(shape_2) + 0.5
    weights = torch.randn(util.get_combined_dim(combination, [4, 4]))
    expected = util.combine_tensors(combination, list(torch.broadcast_tensors(x, y))) @ weights
    result = util.combine_tensors_and_multiply(combination, [x, y], weights)
    torch.testing.assert_close(result.expand_as(expected), expected)


def test_multiplying_checks_its_arguments() -> None:
    with pytest.raises(ConfigurationError, match="has 4 features, but there are 3"):
        util.combine_tensors_and_multiply("x,y", [X, Y], torch.ones(3))
    deep = torch.ones(1, 1, 1, 1, 2)
    with pytest.raises(ValueError, match="at most 4 dimensions"):
        util.combine_tensors_and_multiply("x*y", [deep, deep], torch.ones(2))


def test_folding_initial_dimensions() -> None:
    ids = torch.arange(24).view(2, 3, 4)
    folded = util.combine_initial_dims(ids)
    assert folded.shape == (6, 4)
    embedded = folded.unsqueeze(-1).expand(6, 4, 5)
    assert util.uncombine_initial_dims(embedded, ids.size()).shape == (2, 3, 4, 5)
    assert util.combine_initial_dims(ids[0]) is not None
    assert util.combine_initial_dims(ids[0]).shape == (3, 4)
    assert util.uncombine_initial_dims(embedded, torch.Size([6, 4])) is embedded


def test_weighted_sum() -> None:
    matrix, weights = torch.randn(2, 3, 4), torch.rand(2, 3)
    expected = torch.einsum("brd,br->bd", matrix, weights)
    torch.testing.assert_close(util.weighted_sum(matrix, weights), expected)
    many = torch.rand(2, 5, 3)
    torch.testing.assert_close(util.weighted_sum(matrix, many), torch.einsum("brd,bqr->bqd", matrix, many))
    deep = torch.randn(2, 5, 3, 4)
    torch.testing.assert_close(util.weighted_sum(deep, many), torch.einsum("bqrd,bqr->bqd", deep, many))
    more = torch.rand(2, 6, 5, 3)
    torch.testing.assert_close(util.weighted_sum(matrix, more), torch.einsum("brd,bpqr->bpqd", matrix, more))


def test_stacking_dicts() -> None:
    dicts = [{"a": torch.ones(2, 1), "b": torch.zeros(3)}, {"a": torch.zeros(2, 1), "b": torch.ones(3)}]
    stacked = util.batch_tensor_dicts(dicts)
    assert stacked["a"].shape == (2, 2, 1)
    assert stacked["b"].tolist() == [[0.0] * 3, [1.0] * 3]
    assert util.batch_tensor_dicts(dicts, remove_trailing_dimension=True)["a"].shape == (2, 2)
    assert util.batch_tensor_dicts([]) == {}
