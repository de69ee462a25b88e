"""Running torch's modules over padded batches, against packing."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpreg.modules.padded_rnn import (
    _run_layers,
    can_run_padded,
    run_direction,
    run_direction_as_operator,
    run_padded,
)
from nlpreg.modules.recurrence import SortedRows, UnsortedRows


def test_which_modules_are_run():
    assert can_run_padded(nn.LSTM(2, 3, batch_first=True))
    assert can_run_padded(nn.GRU(2, 3, batch_first=True, bidirectional=True))
    assert can_run_padded(nn.RNN(2, 3, batch_first=True))
    assert not can_run_padded(nn.LSTM(2, 3))
    assert not can_run_padded(nn.LSTM(2, 3, proj_size=2, batch_first=True))
    assert not can_run_padded(nn.Linear(2, 3))

    class Own(nn.LSTM):
        pass

    assert not can_run_padded(Own(2, 3, batch_first=True))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cls", [nn.LSTM, nn.GRU, nn.RNN])
def test_outputs_and_final_states_are_those_of_packing(cls, bidirectional):
    module = cls(3, 4, num_layers=2, batch_first=True, bidirectional=bidirectional)
    lengths = torch.tensor([2, 5, 1, 5, 4, 3])
    inputs = torch.randn(6, 6, 3)
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    expected, final = module(packed)
    expected, _ = pad_packed_sequence(expected, batch_first=True, total_length=6)
    (output,), states = run_padded(module, inputs, lengths, needs_final_state=True)
    torch.testing.assert_close(output, expected)
    for found, part in zip(states, final if cls is nn.LSTM else (final,), strict=True):
        torch.testing.assert_close(found, part)
    (output,), states = run_padded(module, inputs, lengths)
    torch.testing.assert_close(output, expected)
    assert states is None


def test_empty_rows_keep_the_state_they_came_with():
    module = nn.LSTM(3, 4, batch_first=True)
    state = (torch.randn(1, 3, 4), torch.randn(1, 3, 4))
    (output,), final = run_padded(
        module, torch.randn(3, 2, 3), torch.tensor([0, 2, 0]), state, needs_final_state=True
    )
    for row in (0, 2):
        assert not output[row].any()
        assert torch.equal(final[0][:, row], state[0][:, row]) and torch.equal(
            final[1][:, row], state[1][:, row]
        )


def test_nothing_but_padding_and_no_rows_at_all():
    module = nn.GRU(3, 4, batch_first=True, bidirectional=True)
    (output,), _ = run_padded(module, torch.randn(2, 3, 3), torch.tensor([0, 0]))
    assert output.shape == (2, 3, 8) and not output.any()
    (output,), _ = run_padded(module, torch.randn(0, 3, 3), torch.zeros(0, dtype=torch.long))
    assert output.shape == (0, 3, 8)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("needs_final_state", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cls", [nn.LSTM, nn.GRU, nn.RNN])
def test_gpu_and_cpu_agree(cls, bidirectional, needs_final_state):
    module = cls(3, 4, num_layers=2, batch_first=True, bidirectional=bidirectional)
    lengths, inputs = torch.tensor([2, 5, 0, 5, 4, 3]), torch.randn(6, 6, 3)
    (expected,), states = run_padded(module, inputs, lengths, needs_final_state=needs_final_state)
    (output,), found = run_padded(
        module.cuda(), inputs.cuda(), lengths.cuda(), needs_final_state=needs_final_state
    )
    torch.testing.assert_close(output.cpu(), expected, atol=1e-5, rtol=1e-4)
    if needs_final_state:
        for one, other in zip(found, states, strict=True):
            torch.testing.assert_close(one.cpu(), other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("make", [nn.LSTM, nn.GRU, nn.RNN])
def test_unsorted_rows_give_the_same_numbers(make):
    module = make(3, 4, num_layers=2, batch_first=True, bidirectional=True)
    inputs, lengths = torch.randn(4, 5, 3), torch.tensor([3, 0, 5, 1])
    (expected,), _ = run_padded(module, inputs, lengths)
    rows = UnsortedRows(lengths, 5)
    (*_, output), _ = _run_layers(module, rows.sort(inputs), rows, None, is_exact=False)
    torch.testing.assert_close(rows.restore(output), expected)


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
