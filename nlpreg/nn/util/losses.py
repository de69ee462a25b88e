"""Cross entropy: of sequences of logits, and of a large softmax layer in chunks."""

from dataclasses import dataclass
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from nlpreg.nn.cpu_layers import add_matrix_product, matrix_product, suits_onednn
from nlpreg.nn.util.masks import tiny_value_of_dtype


def sequence_cross_entropy_with_logits(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    average: str | None = "batch",
    label_smoothing: float | None = None,
    gamma: float | None = None,
    alpha: float | list[float] | NDArray[Any] | Tensor | None = None,
) -> Tensor:
    """The weighted cross entropy of labels at every timestep, with optional smoothing and focusing.

    Args:
        logits: unnormalised scores.
        targets: the right classes.
        weights: the weight of each timestep, or a mask. Sums of weights are taken before `gamma` and `alpha`.
        average: "batch" is the mean over sequences (those with any weight) of each sequence's weighted mean,
            "token" the weighted mean over all timesteps, None each sequence's weighted mean.
        label_smoothing: probability mass, from 0 to 1, spread evenly over all classes.
        gamma: exponent of the focal loss; the loss of a timestep is multiplied by `(1 - p(target)) ** gamma`.
        alpha: weight of classes. A number `a` stands for `1 - a` on class 0 and `a` on class 1.

    Shape:
        logits (B, T, C), targets (B, T), weights (B, T) -> scalar, or (B,) for `average=None`.

    Raises:
        ValueError: `average` has another value.
        TypeError: `alpha` is of another type.

    Source: Lin et al. (2017), "Focal Loss for Dense Object Detection", for `gamma` and `alpha`.
    """
    if average not in {None, "token", "batch"}:
        raise ValueError(f'average must be None, "token" or "batch", got {average!r}')
    weights = weights.to(logits.dtype)
    sequence_weights = weights.sum(dim=1)  # (B,)
    # (B, T, C)
    log_probs = torch.log_softmax(logits, dim=-1)
    target_log_probs = log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)  # (B, T)

    nll = -target_log_probs  # (B, T)
    if label_smoothing:
        nll = (1 - label_smoothing) * nll - label_smoothing * log_probs.mean(dim=-1)
    if gamma:
        weights = weights * (1.0 - target_log_probs.exp()) ** gamma
    if alpha is not None:
        weights = weights * _alpha_factor(alpha, targets, logits)

    tiny = tiny_value_of_dtype(logits.dtype)
    totals = (nll * weights).sum(dim=1)  # (B,)
    if average == "token":
        return totals.sum() / (sequence_weights.sum() + tiny)
    # (B,)
    means = totals / (sequence_weights + tiny)
    if average is None:
        return means
    return means.sum() / ((sequence_weights > 0).sum().to(means.dtype) + tiny)


def _alpha_factor(
    alpha: float | list[float] | NDArray[Any] | Tensor, targets: Tensor, logits: Tensor
) -> Tensor:
    if not isinstance(alpha, (int, float, list, numpy.ndarray, Tensor)):
        raise TypeError(f"alpha must be a number, a list, an array or a tensor, got {type(alpha).__name__}")
    factors = torch.as_tensor(alpha, dtype=logits.dtype, device=logits.device)
    if factors.dim() == 0:
        factors = torch.stack([1 - factors, factors])
        targets = targets.clamp(max=1)
    return factors[targets]


# How much is done at a time when the caller does not say. Few logits stay in the cache; but the gradient of the weight
# is added up once for each chunk, whatever its number of rows, so there must not be too few rows either.
_CHUNK_LOGITS = 2**22
_MIN_CHUNK_SIZE = 256
# Chunks have a multiple of so many rows, because fast products are made for each number of rows separately.
_REGULAR_ROWS = 64
_REMOVED = -10000.0
_CERTAIN = 10000.0


def linear_softmax_nll(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor,
    columns: Tensor,
    target_logits: Tensor | None = None,
    chunk_size: int | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """The summed negative log-likelihood of one class for each input under `softmax(inputs @ weight + bias)`.

    The logits are made for some rows at a time and turned into gradients at once, so that neither all logits nor
    their gradient ever exist, and nothing is computed twice. Only first derivatives can be taken.

    Args:
        inputs: one vector for each softmax.
        weight: the vectors of the classes, as columns.
        bias: one number for each class.
        columns: the class that is right, or -1 for an input that does not count. If `target_logits` is given: the class to
            leave out, or -1 for none.
        target_logits: logit of the right class, if it is not one of the columns.
        chunk_size: how many inputs to treat at a time; by default as many as make 2**22 logits, but
            at least 256.
        dtype: precision of the matrix products; that of autocast, if it is on, or of the inputs if None. Sums over the
            classes are taken in float32 at least.

    Shape:
        inputs (N, D), weight (D, V), bias (V,), columns (N,), target_logits (N,) -> scalar.

    Raises:
        ValueError: `chunk_size` is less than 1.
    """
    if chunk_size is None:
        chunk_size = max(_MIN_CHUNK_SIZE, _CHUNK_LOGITS // max(1, weight.size(1)))
        chunk_size -= chunk_size % _REGULAR_ROWS
    elif chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1, got {chunk_size}")
    missing = -len(inputs) % _REGULAR_ROWS if suits_onednn(inputs, weight) else 0
    if missing:
        # Rows that do not count, up to a regular number, cost less than products over an odd number of rows.
        inputs = pad(inputs, (0, 0, 0, missing))
        columns = pad(columns, (0, missing), value=-1)
        target_logits = None if target_logits is None else pad(target_logits, (0, missing), value=_CERTAIN)
    loss: Tensor = _LinearSoftmaxNll.apply(  # type: ignore[no-untyped-call]  # torch leaves it untyped
        inputs, weight, bias, columns, target_logits, chunk_size, dtype
    )
    return loss


class _LinearSoftmaxNll(torch.autograd.Function):
    """See `linear_softmax_nll`. The gradients for a loss of weight one are made in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor,
        columns: Tensor,
        target_logits: Tensor | None,
        chunk_size: int,
        dtype: torch.dtype | None,
    ) -> Tensor:
        need_inputs, need_weight, need_bias, _, need_logits, _, _ = ctx.needs_input_grad
        exact = torch.promote_types(inputs.dtype, torch.float32)
        grads = _Gradients(
            [] if need_inputs else None,
            [] if need_weight else None,
            [] if need_bias else None,
            [] if need_logits and target_logits is not None else None,
        )
        device_type = inputs.device.type
        if dtype is None:
            autocast = torch.is_autocast_enabled(device_type)
            dtype = torch.get_autocast_dtype(device_type) if autocast else inputs.dtype
        total = torch.zeros((), dtype=exact, device=inputs.device)
        with torch.autocast(device_type, enabled=False):
            # Probabilities are often below the range of float16, and nothing has scaled the loss here.
            grad_dtype = torch.bfloat16 if dtype == torch.float16 else dtype
            layer = (weight.to(dtype), bias.to(dtype), weight.to(grad_dtype))
            # The compiler may learn how many chunks there are, but not from how many rows. Without rows there is a chunk too,
            # so that there are gradients, of zeros.
            for chunk in range(max(1, (inputs.size(0) + chunk_size - 1) // chunk_size)):
                rows = slice(chunk * chunk_size, (chunk + 1) * chunk_size)
                logits = None if target_logits is None else target_logits[rows]
                total += _chunk(inputs[rows], *layer, columns[rows], logits, grads)
        ctx.save_for_backward(
            _joined(grads.inputs), _joined(grads.weight), _joined(grads.bias), _joined(grads.logits)
        )
        ctx.dtypes = [inputs.dtype, weight.dtype, bias.dtype, getattr(target_logits, "dtype", exact)]
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, bias, logits = (
            None if grad is None else (grad * grad_output.to(grad.dtype)).to(dtype)
            for grad, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return inputs, weight, bias, None, logits, None, None


def _sum_dtype(tensor: Tensor) -> torch.dtype:
    """What to add up a gradient in: chunk by chunk, half precision would lose too much."""
    return torch.promote_types(tensor.dtype, torch.float32)


@dataclass
class _Gradients:
    """The gradients so far; None where one is not needed.

    Args:
        inputs: of each chunk.
        weight: the sum over the chunks, once there is one.
        bias: likewise.
        logits: of each chunk.
    """

    inputs: list[Tensor] | None
    weight: list[Tensor] | None
    bias: list[Tensor] | None
    logits: list[Tensor] | None


def _joined(chunks: list[Tensor] | None) -> Tensor | None:
    """The rows of all chunks; no copy of a single one."""
    if chunks is None:
        return None
    return chunks[0] if len(chunks) == 1 else torch.cat(chunks)


def _chunk(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor,
    weight_for_grads: Tensor,
    columns: Tensor,
    target_logits: Tensor | None,
    grads: _Gradients,
) -> Tensor:
    """The loss of some rows; adds their gradients to `grads`.

    The weights have the precision of the matrix products, of the forward and of the backward pass.
    """
    is_regular = inputs.size(0) % _REGULAR_ROWS == 0
    scores = matrix_product(inputs.to(weight.dtype), weight, bias, shape_returns=is_regular)  # (rows, V)
    scores = scores.to(_sum_dtype(scores))
    index = columns.clamp(min=0).unsqueeze(1)  # (rows, 1)
    if target_logits is None:
        targets = scores.gather(1, index).squeeze(1)
    else:
        targets = target_logits.to(scores.dtype)
        is_removed = (columns >= 0).unsqueeze(1)
        scores.scatter_(1, index, torch.where(is_removed, _REMOVED, scores.gather(1, index)))
    top = scores.amax(dim=1)
    # in place where that is safe: the logits of a chunk are the largest tensor here
    scores = torch.softmax(scores, dim=1, out=scores if scores.device.type == "cpu" else None)
    # From the largest probability, of which the logarithm has all its digits. (rows,)
    log_z = top - scores.amax(dim=1).log()
    if target_logits is None:
        # The row is now the gradient of the loss.
        scores.scatter_add_(1, index, scores.new_full(index.shape, -1.0))
        scale = (columns >= 0).to(scores.dtype)
        losses = (log_z - targets) * scale
    else:
        # The target's logit is one more in the sum.
        log_z, scale = torch.logaddexp(log_z, targets), log_z
        scale = (scale - log_z).exp_()
        losses = log_z - targets
        if grads.logits is not None:
            grads.logits.append(torch.expm1(-losses).to(target_logits.dtype))
    _add_gradients(scores, scale, inputs, weight_for_grads, grads)
    return losses.sum()


def _add_gradients(scores: Tensor, scale: Tensor, inputs: Tensor, weight: Tensor, grads: _Gradients) -> None:
    """Add the products of the logits' gradient `scores * scale` with inputs and weights."""
    is_regular = inputs.size(0) % _REGULAR_ROWS == 0
    if grads.bias is not None:
        bias = scale @ scores
        if grads.bias:
            grads.bias[0] += bias
        else:
            grads.bias.append(bias)
    if weight.dtype != scores.dtype:
        # Half precision: scale first, because an unscaled total has too few digits left for the rest of its row.
        scores = scores.mul_(scale.unsqueeze(1)).to(weight.dtype)
        scale = torch.ones_like(scale, dtype=weight.dtype)
    if grads.inputs is not None:
        product = matrix_product(scores, weight.t(), shape_returns=is_regular)
        grads.inputs.append(product.mul_(scale.unsqueeze(1)).to(inputs.dtype))
    if grads.weight is not None:
        scaled = (inputs.to(weight.dtype) * scale.unsqueeze(1)).t()
        if grads.weight:
            add_matrix_product(grads.weight[0], scaled, scores, shape_returns=is_regular)
        else:
            # not in half precision, which would lose too much of a sum over many chunks
            first = matrix_product(scaled, scores, shape_returns=is_regular)
            grads.weight.append(first.to(_sum_dtype(first)))
