"""Recurrent encoders: against steps written out, with states between batches, compiled, and around foreign modules."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.seq2seq_encoders import (
    AugmentedLstmSeq2SeqEncoder,
    GruSeq2SeqEncoder,
    LstmSeq2SeqEncoder,
    PytorchSeq2SeqWrapper,
    RnnSeq2SeqEncoder,
    StackedAlternatingLstmSeq2SeqEncoder,
    StackedBidirectionalLstmSeq2SeqEncoder,
)

TORCHS_OWN = [LstmSeq2SeqEncoder, GruSeq2SeqEncoder, RnnSeq2SeqEncoder]
OURS = [
    (AugmentedLstmSeq2SeqEncoder, {}),
    (AugmentedLstmSeq2SeqEncoder, {"use_highway": False}),
    (StackedAlternatingLstmSeq2SeqEncoder, {"num_layers": 1}),
]
ONE_DIRECTION = [(cls, {"num_layers": 2}) for cls in TORCHS_OWN] + OURS


def right_padded(*lengths, num_steps=None):
    return torch.arange(num_steps or max(lengths)) < torch.tensor(lengths).unsqueeze(1)


def written_out(module, inputs):
    """A torch module over one row (T, D), step by step."""

    def step(x, state, suffix):
        w, u, b, c = (
            getattr(module, f"{name}_{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        hidden = state[0]
        a, r = w @ x + b, u @ hidden + c
        if module.mode == "LSTM":
            i, f, g, o = (a + r).chunk(4)
            cell = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
            return torch.sigmoid(o) * torch.tanh(cell), cell
        if module.mode == "GRU":
            (ar, az, an), (rr, rz, rn) = a.chunk(3), r.chunk(3)
            reset, update = torch.sigmoid(ar + rr), torch.sigmoid(az + rz)
            new = torch.tanh(an + reset * rn)
            return ((1 - update) * new + update * hidden,)
        return (torch.tanh(a + r) if module.mode == "RNN_TANH" else torch.relu(a + r),)

    for layer in range(module.num_layers):
        halves = []
        for suffix in [f"l{layer}", f"l{layer}_reverse"][: 2 if module.bidirectional else 1]:
            steps = inputs.flip(0) if suffix.endswith("reverse") else inputs
            state = (torch.zeros(module.hidden_size),) * 2
            outputs = []
            for x in steps:
                state = step(x, state, suffix)
                outputs.append(state[0])
            half = torch.stack(outputs)
            halves.append(half.flip(0) if suffix.endswith("reverse") else half)
        inputs = torch.cat(halves, dim=1)
    return inputs


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("cls", TORCHS_OWN)
def test_rows_of_every_length_follow_the_equations(cls, num_layers, bidirectional, stateful, padded):
    encoder = cls(16, 5, num_layers=num_layers, bidirectional=bidirectional, stateful=stateful)
    outputs = encoder(padded.inputs, padded.mask)
    for row, length in enumerate(padded.lengths):
        if length:
            expected = written_out(encoder._module, padded.inputs[row, :length])
            torch.testing.assert_close(outputs[row, :length], expected, atol=1e-5, rtol=1e-4)
        assert not outputs[row, length:].any()


@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_what_stands_at_padding_has_no_influence_even_nan(bidirectional, stateful, padded):
    encoder = LstmSeq2SeqEncoder(16, 5, num_layers=2, bidirectional=bidirectional, stateful=stateful)
    inputs = padded.inputs.masked_fill(~padded.mask.unsqueeze(2), math.nan)
    outputs = encoder(inputs, padded.mask)
    outputs.sum().backward()
    assert outputs.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())


def test_relu_does_not_grow_beyond_all_limits_at_padding():
    encoder = RnnSeq2SeqEncoder(2, 2, nonlinearity="relu", bias=False)
    with torch.no_grad():
        encoder._module.weight_ih_l0.copy_(torch.eye(2))
        encoder._module.weight_hh_l0.copy_(100 * torch.eye(2))
    inputs = torch.zeros(3, 40, 2)
    inputs[2, 0] = 1.0  # its state would be 100^39 at the end of padding, more than a float holds
    outputs = encoder(inputs, right_padded(40, 40, 1))
    outputs.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())


@pytest.mark.parametrize("cls", TORCHS_OWN)
def test_gradients_of_all_weights_are_right(cls):
    encoder = cls(2, 2, num_layers=2, bidirectional=True).double()
    mask = right_padded(2, 3, 1)
    inputs = torch.randn(3, 3, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: encoder(x, mask), [inputs, *encoder.parameters()])


@pytest.mark.parametrize("cls", TORCHS_OWN)
def test_a_given_state_is_where_rows_start(cls):
    encoder = cls(3, 4, num_layers=2, bidirectional=True)
    parts = 2 if cls is LstmSeq2SeqEncoder else 1
    state = tuple(torch.randn(4, 3, 4) for _ in range(parts))
    state = state if parts == 2 else state[0]
    inputs, mask = torch.randn(3, 5, 3), right_padded(2, 5, 3)
    packed = pack_padded_sequence(inputs, mask.sum(1), batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(encoder._module(packed, state)[0], batch_first=True)
    torch.testing.assert_close(encoder(inputs, mask, state), expected)


def test_dropout_between_layers_is_that_of_torch():
    encoder = LstmSeq2SeqEncoder(3, 2000, num_layers=2, dropout=0.25)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            # The second layer shows what came through: each of its gates reads one unit of the first.
            parameter.zero_() if "l1" in name else parameter.uniform_(-0.1, 0.1)
        encoder._module.weight_ih_l1[4000:6000] = torch.eye(2000)
    inputs, mask = torch.randn(2, 3, 3), right_padded(3, 2)
    first_step = encoder(inputs, mask)[:, 0]
    dropped = (first_step == 0).float().mean()
    assert abs(dropped - 0.25) < 0.05
    encoder.eval()
    assert (encoder(inputs, mask)[:, 0] != 0).all()


@pytest.mark.parametrize(("cls", "options"), ONE_DIRECTION)
def test_a_text_in_pieces_is_as_the_text_in_one(cls, options):
    lengths = [7, 4, 2, 0]
    inputs, mask = torch.randn(4, 7, 3), right_padded(*lengths)
    whole = cls(3, 4, **options)
    pieces = cls(3, 4, stateful=True, **options)
    pieces.load_state_dict(whole.state_dict())
    expected = whole(inputs, mask)
    found = torch.cat([pieces(inputs[:, s : s + 3], mask[:, s : s + 3]) for s in (0, 3, 6)], dim=1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("cls", "options"), [*ONE_DIRECTION, (StackedBidirectionalLstmSeq2SeqEncoder, {"num_layers": 2})]
)
def test_states_are_kept_row_by_row(cls, options):
    """Batches that shrink, grow, leave rows out and order their lengths anew: each row is followed by itself."""
    batches = [[3, 1, 4, 2], [2, 5], [0, 2, 0, 6], [1, 4, 3, 3, 2], [3]]
    encoder = cls(3, 4, stateful=True, **options)
    alone = [cls(3, 4, stateful=True, **options) for _ in range(5)]
    for one in alone:
        one.load_state_dict(encoder.state_dict())
    for lengths in batches:
        mask = right_padded(*lengths)
        inputs = torch.randn(len(lengths), mask.size(1), 3)
        outputs = encoder(inputs, mask)
        for row, length in enumerate(lengths):
            if length:
                expected = alone[row](inputs[row : row + 1, :length], mask[row : row + 1, :length])
                torch.testing.assert_close(outputs[row, :length], expected[0])


@pytest.mark.parametrize("cls", [LstmSeq2SeqEncoder, AugmentedLstmSeq2SeqEncoder])
def test_states_do_not_hold_on_to_the_graph(cls):
    encoder = cls(3, 4, stateful=True)
    mask = right_padded(2, 3)
    for _ in range(2):
        encoder(torch.randn(2, 3, 3), mask).sum().backward()
    assert not any(state.requires_grad for state in encoder._states)


def test_reset_states():
    encoder = LstmSeq2SeqEncoder(3, 4, stateful=True)
    inputs, mask = torch.randn(2, 3, 3), right_padded(3, 2)
    fresh = encoder(inputs, mask)
    continued = encoder(inputs, mask)
    encoder.reset_states()
    assert torch.equal(encoder(inputs, mask), fresh)
    encoder.reset_states(torch.tensor([True, False]))
    mixed = encoder(inputs, mask)
    assert torch.equal(mixed[0], fresh[0])
    torch.testing.assert_close(mixed[1], continued[1])
    with pytest.raises(ValueError, match="mask of 2 rows, got 3"):
        encoder.reset_states(torch.tensor([True, False, True]))


def test_calls_that_make_no_sense():
    encoder = LstmSeq2SeqEncoder(3, 4, stateful=True)
    with pytest.raises(ValueError, match="needs a mask"):
        encoder(torch.randn(2, 3, 3), None)
    with pytest.raises(ValueError, match="takes no hidden_state"):
        encoder(torch.randn(2, 3, 3), right_padded(3, 2), torch.zeros(1, 2, 4))
    with pytest.raises(ConfigurationError, match="batch_first=True"):
        PytorchSeq2SeqWrapper(nn.LSTM(3, 4))


def test_without_a_mask_the_module_runs_over_everything():
    encoder = GruSeq2SeqEncoder(3, 4, bidirectional=True)
    inputs = torch.randn(2, 3, 3)
    torch.testing.assert_close(encoder(inputs, None), encoder._module(inputs)[0])


class Summing(nn.Module):
    """A recurrent module of somebody else's: running sums over packed sequences."""

    input_size = hidden_size = 3

    def forward(self, inputs, state=None):
        assert isinstance(inputs, PackedSequence)
        padded, lengths = pad_packed_sequence(inputs, batch_first=True)
        start = 0 if state is None else state.transpose(0, 1)
        sums = start + padded.cumsum(1)
        final = sums[torch.arange(len(lengths)), lengths - 1]
        return pack_padded_sequence(sums, lengths, batch_first=True), final.unsqueeze(0)


@pytest.mark.parametrize("stateful", [False, True])
def test_modules_of_others_get_packed_rows(stateful):
    encoder = PytorchSeq2SeqWrapper(Summing(), stateful=stateful)
    inputs, mask = torch.randn(4, 5, 3), right_padded(2, 0, 4, 3, num_steps=5)
    expected = inputs.masked_fill(~mask.unsqueeze(2), 0).cumsum(1).masked_fill(~mask.unsqueeze(2), 0)
    torch.testing.assert_close(encoder(inputs, mask), expected)
    again = encoder(inputs, mask)
    if stateful:
        total = inputs.masked_fill(~mask.unsqueeze(2), 0).sum(1, keepdim=True)
        expected = (expected + total).masked_fill(~mask.unsqueeze(2), 0)
    torch.testing.assert_close(again, expected)


class Stateless(Summing):
    """A module that has no state to return."""

    def forward(self, inputs, state=None):
        return super().forward(inputs)[0], None


def test_a_module_of_others_need_not_return_a_state():
    inputs, mask = torch.randn(3, 4, 3), right_padded(2, 0, 4)
    found = PytorchSeq2SeqWrapper(Stateless())(inputs, mask)
    torch.testing.assert_close(found, PytorchSeq2SeqWrapper(Summing())(inputs, mask))


def test_a_module_with_hooks_is_called_itself():
    encoder = LstmSeq2SeqEncoder(3, 4)
    inputs, mask = torch.randn(2, 3, 3), right_padded(3, 2)
    expected = encoder(inputs, mask)
    calls = []
    encoder._module.register_forward_pre_hook(lambda *_: calls.append(1))
    torch.testing.assert_close(encoder(inputs, mask), expected)
    assert calls


def test_names_of_the_weights():
    names = LstmSeq2SeqEncoder(3, 4, num_layers=2, bidirectional=True).state_dict().keys()
    assert set(names) == {
        f"_module.{kind}_l{layer}{suffix}"
        for kind, layer, suffix in itertools.product(
            ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), (0, 1), ("", "_reverse")
        )
    }


@pytest.mark.filterwarnings("ignore")
def test_compiled_without_a_break(padded):
    import torch._dynamo

    encoder = LstmSeq2SeqEncoder(16, 5, num_layers=2, bidirectional=True)
    inputs = padded.inputs.clone().requires_grad_()
    leaves = [inputs, *encoder.parameters()]
    expected = encoder(inputs, padded.mask)
    expected_gradients = torch.autograd.grad(expected.square().sum(), leaves)
    torch._dynamo.reset()
    with torch._dynamo.config.patch(allow_rnn=True):
        compiled = torch.compile(encoder, backend="aot_eager", fullgraph=True)
        found = compiled(inputs, padded.mask)
        gradients = torch.autograd.grad(found.square().sum(), leaves)
        shorter = compiled(inputs[:, :4], padded.mask[:, :4])
    torch._dynamo.reset()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(shorter, encoder(inputs[:, :4], padded.mask[:, :4]))
    for one, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_bfloat16_by_autocast(bidirectional, padded):
    encoder = LstmSeq2SeqEncoder(16, 5, bidirectional=bidirectional)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = encoder(padded.inputs, padded.mask)
        outputs.sum().backward()
    torch.testing.assert_close(outputs.float(), encoder(padded.inputs, padded.mask), atol=0.05, rtol=0.05)
