"""Combining tensors on their last dimension, and folding and unfolding leading dimensions.

A combination is a comma-separated list of pieces: `1` (or `x`) is the first tensor, `2` (or `y`) the second, and so
on; `1*2`, `1+2`, `1-2` and `1/2` are elementwise results. `"1,2,1*2"` concatenates x, y and their product.
"""

import operator
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError

_OPERATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "*": operator.mul,
    "/": operator.truediv,
    "+": operator.add,
    "-": operator.sub,
}
_MAX_TENSORS = 9  # a piece names a tensor by one digit


def _parse(combination: str, num_tensors: int) -> list[tuple[int, str, int]]:
    """Each piece as (left index, operator, right index), or (index, "", index) for a single tensor."""
    if num_tensors > _MAX_TENSORS:
        raise ConfigurationError(f"at most {_MAX_TENSORS} tensors can be combined, got {num_tensors}")
    pieces = []
    for text in combination.replace("x", "1").replace("y", "2").split(","):
        piece = text.strip()
        if len(piece) == 1:
            left, symbol, right = piece, "", piece
        elif len(piece) == 3 and piece[1] in _OPERATORS:
            left, symbol, right = piece[0], piece[1], piece[2]
        else:
            raise ConfigurationError(
                f"combination {combination!r}: expected pieces such as '1' or '1*2' with one of "
                f"{' '.join(_OPERATORS)}, got {text!r}"
            )
        for name in (left, right):
            if not name.isdecimal() or not 1 <= int(name) <= num_tensors:
                raise ConfigurationError(
                    f"combination {combination!r}: expected the number of a tensor from 1 to {num_tensors}, "
                    f"got {name!r}"
                )
        pieces.append((int(left) - 1, symbol, int(right) - 1))
    return pieces


def combine_tensors(combination: str, tensors: Sequence[Tensor]) -> Tensor:
    """Concatenate pieces made from tensors along the last dimension.

    Args:
        combination: which pieces, see the module's docstring.
        tensors: tensors that broadcast against each other but for their last dimension.

    Raises:
        ConfigurationError: more than nine tensors, or a piece that cannot be read.
    """
    parts = [
        _OPERATORS[symbol](tensors[left], tensors[right]) if symbol else tensors[left]
        for left, symbol, right in _parse(combination, len(tensors))
    ]
    if len(parts) == 1:
        return parts[0]
    leading = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))  # type: ignore[no-untyped-call]  # torch leaves it untyped
    # (..., combined dim)
    return torch.cat([part.expand(*leading, part.size(-1)) for part in parts], dim=-1)


def get_combined_dim(combination: str, tensor_dims: Sequence[int]) -> int:
    """The size of the last dimension that `combine_tensors` gives.

    Args:
        combination: which pieces, see the module's docstring.
        tensor_dims: size of each tensor's last dimension.

    Raises:
        ConfigurationError: an operation joins two sizes that differ, or a piece cannot be read.
    """
    total = 0
    for left, symbol, right in _parse(combination, len(tensor_dims)):
        if tensor_dims[left] != tensor_dims[right]:
            raise ConfigurationError(
                f"combination {combination!r}: {left + 1}{symbol}{right + 1} joins tensors of the sizes "
                f"{tensor_dims[left]} and {tensor_dims[right]}, which must be equal"
            )
        total += tensor_dims[left]
    return total


def combine_tensors_and_multiply(combination: str, tensors: Sequence[Tensor], weights: Tensor) -> Tensor:
    """The dot product of a combination with a weight vector, without building the combination.

    Args:
        combination: which pieces, see the module's docstring.
        tensors: tensors that broadcast against each other but for their last dimension.
        weights: one weight for each feature of the combination.

    Shape:
        tensors (..., dim_i), weights (dim,) -> (...).

    Raises:
        ConfigurationError: more than nine tensors, a piece that cannot be read, or weights of another size.
        ValueError: a product or quotient of tensors with more than four dimensions.
    """
    pieces = _parse(combination, len(tensors))
    sizes = [tensors[left].size(-1) for left, _, _ in pieces]
    if sum(sizes) != weights.size(0):
        raise ConfigurationError(
            f"combination {combination!r} has {sum(sizes)} features, but there are {weights.size(0)} weights"
        )
    parts = [
        _multiply_piece(tensors[left], symbol, tensors[right], weight)
        for (left, symbol, right), weight in zip(pieces, weights.split_with_sizes(sizes), strict=True)
    ]
    return sum(parts[1:], start=parts[0])


def _multiply_piece(left: Tensor, symbol: str, right: Tensor, weight: Tensor) -> Tensor:
    """`(left symbol right) @ weight` with broadcasting, so that no tensor of the broadcast size has features."""
    if not symbol:
        return left @ weight
    if symbol in "+-":
        return _OPERATORS[symbol](left @ weight, right @ weight)
    if max(left.dim(), right.dim()) > 4:
        raise ValueError(
            f"products and quotients take tensors of at most 4 dimensions, got {left.dim()} and {right.dim()}"
        )
    if symbol == "/":
        right = right.reciprocal()
    weighted = left * weight
    if left.dim() == right.dim() == 4:
        # (B, R1, 1, D) with (B, 1, R2, D): one batched matrix product
        if left.size(2) == 1 and right.size(1) == 1:
            return weighted.squeeze(2) @ right.squeeze(1).transpose(1, 2)
        if left.size(1) == 1 and right.size(2) == 1:
            return right.squeeze(2) @ weighted.squeeze(1).transpose(1, 2)
    return (weighted * right).sum(dim=-1)


def combine_initial_dims(tensor: Tensor) -> Tensor:
    """Fold all dimensions but the last into one; a tensor of two or fewer dimensions is left as it is.

    Shape:
        (d1, ..., dn, T) -> (d1 * ... * dn, T).
    """
    return tensor if tensor.dim() <= 2 else tensor.reshape(-1, tensor.size(-1))


def uncombine_initial_dims(tensor: Tensor, original_size: torch.Size) -> Tensor:
    """Unfold what `combine_initial_dims` folded, after an embedding has added a dimension.

    Args:
        tensor: the result of the embedding.
        original_size: the size before folding.

    Shape:
        (d1 * ... * dn, T, D) -> (d1, ..., dn, T, D).
    """
    return tensor if len(original_size) <= 2 else tensor.view(*original_size, tensor.size(-1))


def weighted_sum(matrix: Tensor, attention: Tensor) -> Tensor:
    """Sum the rows of a matrix by weight.

    Shape:
        matrix (B, R, D), attention (B, R) -> (B, D);
        matrix (B, R, D), attention (B, Q, R) -> (B, Q, D);
        matrix (B, Q, R, D), attention (B, Q, R) -> (B, Q, D).
        Dimensions that the matrix lacks after the batch are those of the attention.
    """
    if attention.dim() == 2 and matrix.dim() == 3:
        return torch.bmm(attention.unsqueeze(1), matrix).squeeze(1)
    if attention.dim() == 3 and matrix.dim() == 3:
        return torch.bmm(attention, matrix)
    while matrix.dim() <= attention.dim():
        matrix = matrix.unsqueeze(1)
    return (attention.unsqueeze(-2) @ matrix).squeeze(-2)


def batch_tensor_dicts(
    tensor_dicts: Sequence[dict[str, Tensor]], remove_trailing_dimension: bool = False
) -> dict[str, Tensor]:
    """Stack the tensors of several dicts, key by key.

    Args:
        tensor_dicts: dicts with the same keys and the same shapes.
        remove_trailing_dimension: drop a last dimension of size 1 after stacking.
    """
    batched: dict[str, Tensor] = {}
    for key in tensor_dicts[0] if tensor_dicts else ():
        tensor = torch.stack([tensors[key] for tensors in tensor_dicts])
        if remove_trailing_dimension and tensor.size(-1) == 1:
            tensor = tensor.squeeze(-1)
        batched[key] = tensor
    return batched
