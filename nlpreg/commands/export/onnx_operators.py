"""Translations of nlpreg's recurrent operators to ONNX."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch

from nlpreg.common.imports import optional

# B rows, T steps, H and C sizes of the hidden state and of the memory cell

# Order of torch's gates in ONNX: torch has (input, forget, cell, output) and (reset, update, new).
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
_INT32 = 6
_SMALLEST_INT64 = -(2**63)


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """The custom operators of exported models with their translations to ONNX."""
    import nlpreg.modules.elmo_lstm
    import nlpreg.modules.padded_rnn  # noqa: F401  (these define the operators)

    onnxscript = optional("onnxscript", extra="onnx")
    return {
        torch.ops.nlpreg.rnn_direction.default: _rnn_direction_in(onnxscript),
        torch.ops.nlpreg.augmented_lstm.default: _augmented_lstm_in(onnxscript),
        torch.ops.nlpreg.lstm_with_projection.default: _lstm_with_projection_in(onnxscript),
    }


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

    return _annotated(onnxscript, rnn_direction)


def _augmented_lstm_in(onnxscript: Any) -> Callable[..., Any]:
    op = onnxscript.opset18
    without_highway = _lstm_with_projection_in(onnxscript)

    def highway_lstm_steps(steps, is_word, hidden, memory, weight, bias):  # type: ignore[no-untyped-def]  # onnxscript reads the source
        @onnxscript.graph()
        def step(h, c, x, word):  # type: ignore[no-untyped-def]  # onnxscript reads the source
            x_input, x_forget, x_candidate, x_output, x_highway, carried = op.Split(x, axis=1, num_outputs=6)
            projected = op.Add(op.MatMul(h, weight), bias)
            h_input, h_forget, h_candidate, h_output, h_highway = op.Split(projected, axis=1, num_outputs=5)
            candidate = op.Tanh(op.Add(x_candidate, h_candidate))
            added = op.Mul(op.Sigmoid(op.Add(x_input, h_input)), candidate)
            new_c = op.Add(added, op.Mul(op.Sigmoid(op.Add(x_forget, h_forget)), c))
            inner = op.Mul(op.Sigmoid(op.Add(x_output, h_output)), op.Tanh(new_c))
            share = op.Sigmoid(op.Add(x_highway, h_highway))
            new_h = op.Add(carried, op.Mul(share, op.Sub(inner, carried)))
            kept_h = op.Where(word, new_h, h)
            kept_c = op.Where(word, new_c, c)
            return kept_h, kept_c, new_h

        last_h, last_c, outputs = op.Scan(hidden, memory, steps, is_word, body=step, num_scan_inputs=2)
        return outputs, last_h, last_c

    def augmented_lstm(
        projected: Any,
        lengths: Any,
        hidden: Any,
        memory: Any,
        weight: Any,
        bias: Any,
        dropout_mask: Any,
        go_forward: bool,
    ) -> Any:
        """As `nlpreg.modules.augmented_lstm` defines it."""
        size = int(weight.shape[1])
        arguments = (projected, lengths, hidden, memory, weight, bias)
        if int(weight.shape[0]) > 4 * size:
            *given, weight, bias = arguments
            transposed = op.Transpose(weight, perm=[1, 0])
            return _run_loop(onnxscript, highway_lstm_steps, go_forward, *given, transposed, bias)
        # an ordinary LSTM, whose state is not projected
        identity = op.EyeLike(op.Slice(weight, op.Constant(value_ints=[0]), op.Constant(value_ints=[size])))
        return without_highway(*arguments, identity, None, None, dropout_mask, go_forward)

    return _annotated(onnxscript, augmented_lstm)


def _lstm_with_projection_in(onnxscript: Any) -> Callable[..., Any]:
    op = onnxscript.opset18

    def projected_lstm_steps(  # type: ignore[no-untyped-def]  # onnxscript reads the source
        steps, is_word, hidden, memory, weight, bias, projection, lowest_c, highest_c, lowest_h, highest_h
    ):
        @onnxscript.graph()
        def step(h, c, x, word):  # type: ignore[no-untyped-def]  # onnxscript reads the source
            gates = op.Add(op.Add(x, op.MatMul(h, weight)), bias)
            input_gate, forget_gate, candidate, output_gate = op.Split(gates, axis=1, num_outputs=4)
            added = op.Mul(op.Sigmoid(input_gate), op.Tanh(candidate))
            new_c = op.Clip(op.Add(added, op.Mul(op.Sigmoid(forget_gate), c)), lowest_c, highest_c)
            inner = op.Mul(op.Sigmoid(output_gate), op.Tanh(new_c))
            new_h = op.Clip(op.MatMul(inner, projection), lowest_h, highest_h)
            kept_h = op.Where(word, new_h, h)
            kept_c = op.Where(word, new_c, c)
            return kept_h, kept_c, new_h

        last_h, last_c, outputs = op.Scan(hidden, memory, steps, is_word, body=step, num_scan_inputs=2)
        return outputs, last_h, last_c

    def lstm_with_projection(
        projected: Any,
        lengths: Any,
        hidden: Any,
        memory: Any,
        weight: Any,
        bias: Any,
        projection: Any,
        memory_clip: float | None,
        state_clip: float | None,
        dropout_mask: Any,
        go_forward: bool,
    ) -> Any:
        """As `nlpreg.modules.lstm_cell_with_projection` defines it."""
        clips = [torch.inf if clip is None else clip for clip in (memory_clip, state_clip)]
        ends = [op.Constant(value_float=sign * clip) for clip in clips for sign in (-1.0, 1.0)]
        weights = [op.Transpose(weight, perm=[1, 0]), bias, op.Transpose(projection, perm=[1, 0])]
        given = (projected, lengths, hidden, memory, *weights, *ends)
        return _run_loop(onnxscript, projected_lstm_steps, go_forward, *given)

    return _annotated(onnxscript, lstm_with_projection)


def _run_loop(
    onnxscript: Any, loop: Callable[..., Any], go_forward: bool, inputs: Any, lengths: Any, *rest: Any
) -> Any:
    """Run a loop over the words of right-padded rows, as `run_padded_recurrence` does.

    Args:
        onnxscript: the package.
        loop: a function in its language, over steps (T, B, D) and where there are words (T, B, 1), from left to right. It
            returns the outputs, which at padding may be anything, and the two final states.
        go_forward: whether to start at the first step.
        inputs: (B, T, D).
        lengths: (B,).
        rest: the other arguments of the loop.
    """
    op = onnxscript.opset18
    loop.__annotations__ = {
        **dict.fromkeys(inspect.signature(loop).parameters, onnxscript.FLOAT),
        "is_word": onnxscript.BOOL,
        "return": tuple[onnxscript.FLOAT, onnxscript.FLOAT, onnxscript.FLOAT],
    }
    run = onnxscript.script(onnxscript.values.Opset("nlpreg", 1), default_opset=op)(loop)
    steps = op.Transpose(inputs, perm=[1, 0, 2])  # (T, B, D)
    zero, one = op.Constant(value_int=0), op.Constant(value_int=1)
    numbers = op.Range(zero, op.Squeeze(op.Shape(steps, start=0, end=1)), one)  # (T,)
    numbers = op.Unsqueeze(numbers, op.Constant(value_ints=[1, 2]))
    is_word = op.Less(numbers, op.Unsqueeze(lengths, op.Constant(value_ints=[1])))  # (T, B, 1)

    def reversed_if_backward(values: Any) -> Any:
        # from the last step to the first, one step at a time, along dimension 0
        ends = [op.Constant(value_ints=[end]) for end in (-1, _SMALLEST_INT64, 0, -1)]
        return values if go_forward else op.Slice(values, *ends)

    outputs, *final = run(reversed_if_backward(steps), reversed_if_backward(is_word), *rest)
    outputs = op.Where(is_word, reversed_if_backward(outputs), op.Constant(value_float=0.0))
    return [op.Transpose(outputs, perm=[1, 0, 2]), *final]


def _annotated(onnxscript: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the annotations that onnxscript reads, which it cannot have where onnxscript is not installed."""
    kinds = {"lengths": onnxscript.INT64, **dict.fromkeys(("state", "weights"), Sequence[onnxscript.FLOAT])}
    function.__annotations__ = {
        name: kinds.get(name, onnxscript.FLOAT) if kind is Any else kind
        for name, kind in function.__annotations__.items()
        if name != "return"
    }
    return function
