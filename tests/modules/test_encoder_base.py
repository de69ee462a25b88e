"""Sorting, packing and restoring for modules that take packed sequences, and states between batches."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pad_packed_sequence

from nlpreg.modules.encoder_base import _EncoderBase

MASK = torch.tensor([[1, 1, 0], [0, 0, 0], [1, 1, 1], [1, 0, 0]]).bool()


def restored(output, restoration, num_steps=3):
    padded, _ = pad_packed_sequence(output, batch_first=True, total_length=num_steps)
    missing = len(restoration) - padded.size(0)
    return torch.cat([padded, torch.zeros(missing, *padded.shape[1:])])[restoration]


@pytest.mark.parametrize("cls", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("has_state", [False, True])
def test_rows_come_back_where_they_were(cls, has_state):
    module, base = cls(2, 3, batch_first=True), _EncoderBase()
    inputs = torch.randn(4, 3, 2)
    parts = 2 if cls is nn.LSTM else 1
    state = tuple(torch.randn(1, 4, 3) for _ in range(parts)) if has_state else None
    given = state[0] if has_state and parts == 1 else state
    output, final, restoration = base.sort_and_run_forward(module, inputs, MASK, given)
    padded = restored(output, restoration)
    for row, length in enumerate([2, 0, 3, 1]):
        assert not padded[row, length:].any()
        if length:
            own = None if state is None else tuple(part[:, row : row + 1] for part in state)
            own = own[0] if own is not None and parts == 1 else own
            expected, last = module(inputs[row : row + 1, :length], own)
            torch.testing.assert_close(padded[row, :length], expected[0])
            hidden = final[0] if parts == 2 else final
            torch.testing.assert_close(hidden[:, restoration[row]], (last[0] if parts == 2 else last)[:, 0])


def test_states_follow_their_rows():
    module, base = nn.GRU(2, 3, batch_first=True), _EncoderBase(stateful=True)
    inputs = torch.randn(4, 3, 2)
    _, final, restoration = base.sort_and_run_forward(module, inputs, MASK)
    base._update_states(final, restoration)
    first = base._states[0]
    for row, length in enumerate([2, 0, 3, 1]):
        expected = module(inputs[row : row + 1, :length])[1][:, 0] if length else torch.zeros(1, 3)
        torch.testing.assert_close(first[:, row], expected)
    # Fewer rows, of which one is empty: it and those that are not there keep what they have.
    _, final, restoration = base.sort_and_run_forward(
        module, inputs[:2], torch.tensor([[0, 0, 0], [1, 1, 0]]).bool()
    )
    base._update_states(final, restoration)
    assert torch.equal(base._states[0][:, [0, 2, 3]], first[:, [0, 2, 3]])
    expected = module(inputs[1:2, :2], first[:, 1:2])[1]
    torch.testing.assert_close(base._states[0][:, 1:2], expected)
    # More rows: the additional ones start from zero.
    more = torch.randn(6, 1, 2)
    output, _, restoration = base.sort_and_run_forward(module, more, torch.ones(6, 1).bool())
    torch.testing.assert_close(restored(output, restoration, 1)[5:], module(more[5:])[0])


def test_callers_may_append_the_states_of_empty_rows_first():
    module, inputs = nn.LSTM(2, 3, batch_first=True), torch.randn(4, 3, 2)
    one, other = _EncoderBase(stateful=True), _EncoderBase(stateful=True)
    for _ in range(2):
        _, final, restoration = one.sort_and_run_forward(module, inputs, MASK)
        one._update_states(final, restoration)
        _, final, restoration = other.sort_and_run_forward(module, inputs, MASK)
        appended = [torch.cat([part, part.new_zeros(1, 1, 3)], dim=1) for part in final]
        other._update_states(appended, restoration)
        for a, b in zip(one._states, other._states, strict=True):
            assert torch.equal(a, b)


def test_nothing_but_padding_is_refused():
    with pytest.raises(ValueError, match="got only padding"):
        _EncoderBase().sort_and_run_forward(
            nn.GRU(2, 3, batch_first=True), torch.zeros(2, 3, 2), torch.zeros(2, 3).bool()
        )


def test_reset_before_the_first_batch():
    base = _EncoderBase(stateful=True)
    base.reset_states(torch.tensor([True]))
    assert base._states is None
