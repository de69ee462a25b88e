"""The operator that the compiler sees, against the loop that it stands for."""

import pytest
import torch
from torch import nn

from nlpreg.modules.rnn_direction import run_direction, run_direction_as_operator
from nlpreg.modules.sorted_rows import SortedRows

MODULES = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN_TANH": nn.RNN}


def weights_of(mode, bias=True, dtype=torch.double):
    module = MODULES[mode](2, 3, bias=bias, dtype=dtype)
    return [parameter.detach().requires_grad_() for parameter in module.parameters()]


@pytest.mark.parametrize("is_exact", [False, True])
@pytest.mark.parametrize("is_backward", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("mode", MODULES)
def test_operator_and_loop_agree(mode, bias, is_backward, is_exact):
    weights = weights_of(mode, bias)
    lengths = torch.tensor([4, 3, 1, 0])
    inputs = torch.randn(4, 5, 2, dtype=torch.double, requires_grad=True)
    state = tuple(
        torch.randn(1, 4, 3, dtype=torch.double, requires_grad=True)
        for _ in range(2 if mode == "LSTM" else 1)
    )
    leaves = [inputs, *state, *weights]

    rows = SortedRows(lengths, 5, 0.0 if is_exact else 2.0)
    output, final = run_direction(mode, rows.sort(inputs), rows, state, weights, is_backward)
    expected = [rows.restore(output), *(final if is_exact else ())]
    output, final = run_direction_as_operator(mode, inputs, lengths, state, weights, is_backward, is_exact)
    found = [output, *(final if is_exact else ())]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    probes = [torch.randn_like(tensor) for tensor in expected]
    found_gradients = torch.autograd.grad(found, leaves, probes)
    for one, other in zip(found_gradients, torch.autograd.grad(expected, leaves, probes), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("mode", MODULES)
def test_gradients_of_the_operator(mode):
    weights = weights_of(mode)
    lengths = torch.tensor([1, 3, 0])
    inputs = torch.randn(3, 3, 2, dtype=torch.double, requires_grad=True)
    state = tuple(
        torch.randn(1, 3, 3, dtype=torch.double, requires_grad=True)
        for _ in range(2 if mode == "LSTM" else 1)
    )

    def run(inputs, *others):
        own_state, own_weights = others[: len(state)], others[len(state) :]
        output, final = run_direction_as_operator(mode, inputs, lengths, own_state, own_weights, True, True)
        return output, *final

    assert torch.autograd.gradcheck(run, [inputs, *state, *weights])


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_operator_keeps_what_it_promises_the_compiler():
    weights = weights_of("LSTM", dtype=torch.float)
    state = [torch.zeros(1, 3, 3), torch.zeros(1, 3, 3)]
    arguments = (
        "LSTM",
        torch.randn(3, 4, 2, requires_grad=True),
        torch.tensor([2, 4, 0]),
        state,
        weights,
        True,
        True,
    )
    torch.library.opcheck(
        torch.ops.nlpreg.rnn_direction.default,
        arguments,
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )


def test_autocast_reaches_the_operator():
    weights = weights_of("LSTM", dtype=torch.float)
    zeros = torch.zeros(1, 2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = run_direction_as_operator(
            "LSTM", torch.randn(2, 4, 2), torch.tensor([2, 4]), (zeros, zeros), weights, False, False
        )
    assert output.dtype == torch.bfloat16
