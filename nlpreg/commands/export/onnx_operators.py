"""The recurrent layers of exported models as operators of ONNX."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from nlpreg.common.imports import optional

# Order of torch's gates in ONNX: torch has (input, forget, cell, output) and (reset, update, new).
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
_INT32 = 6


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """The operators of exported models that torch does not know how to write as ONNX, with functions that do."""
    import nlpreg.modules.padded_rnn  # noqa: F401  (defines the operator)

    return {torch.ops.nlpreg.rnn_direction.default: _rnn_direction_in(optional("onnxscript", extra="onnx"))}


def _rnn_direction_in(onnxscript: Any) -> Callable[..., Any]:
    op = onnxscript.opset18

    def in_order(weight: Any, mode: str) -> Any:
        """The rows of a weight (gates * H, ...) in the order of ONNX."""
        order = _GATES.get(mode)
        if order is None:
            return weight
        parts = op.Split(weight, axis=0, num_outputs=len(order))
        return op.Concat(*[parts[place] for place in order], axis=0)

    def rnn_direction(
        mode: str,
        inputs: Any,
        lengths: Any,
        state: Any,
        weights: Any,
        is_backward: bool,
        is_exact: bool,
    ) -> Any:
        """As `nlpreg.modules.padded_rnn` defines it: one layer in one direction over right-padded rows."""
        first = op.Constant(value_ints=[0])
        # ONNX has a leading dimension for directions in weights, and one before the batch in outputs
        w, r = (op.Unsqueeze(in_order(weight, mode), first) for weight in weights[:2])
        biases = [in_order(bias, mode) for bias in weights[2:]]
        b = op.Unsqueeze(op.Concat(*biases, axis=0), first) if biases else None
        steps = op.Transpose(inputs, perm=[1, 0, 2])  # (T, B, D)
        rows = op.Cast(lengths, to=_INT32)
        options = {
            "direction": "reverse" if is_backward else "forward",
            "hidden_size": int(weights[1].shape[1]),
        }
        if mode == "LSTM":
            outputs, *final = op.LSTM(steps, w, r, b, rows, state[0], state[1], **options)
        elif mode == "GRU":
            outputs, *final = op.GRU(steps, w, r, b, rows, state[0], linear_before_reset=1, **options)
        else:
            activation = "Relu" if mode == "RNN_RELU" else "Tanh"
            outputs, *final = op.RNN(steps, w, r, b, rows, state[0], activations=[activation], **options)
        squeezed = op.Squeeze(outputs, op.Constant(value_ints=[1]))  # (T, B, H)
        return [op.Transpose(squeezed, perm=[1, 0, 2]), *final]

    # onnxscript reads annotations as they are at run time, which `from __future__ import annotations` makes strings of
    rnn_direction.__annotations__ = {
        "mode": str,
        "inputs": onnxscript.FLOAT,
        "lengths": onnxscript.INT64,
        "state": Sequence[onnxscript.FLOAT],
        "weights": Sequence[onnxscript.FLOAT],
        "is_backward": bool,
        "is_exact": bool,
    }
    return rnn_direction
