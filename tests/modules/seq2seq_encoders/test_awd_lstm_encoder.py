"""AWD's LSTM, against torch's layers with the same weights and masks read off."""

import copy

import pytest
import torch
from torch import nn

from nlpreg.common import Params
from nlpreg.modules.seq2seq_encoders import AwdLstmEncoder, Seq2SeqEncoder

SIZES = {"input_size": 4, "hidden_size": 5, "num_layers": 2, "output_size": 3}
NO_DROPOUT = dict.fromkeys(("input_dropout", "hidden_dropout", "output_dropout", "weight_dropout"), 0.0)
MASK = torch.arange(4) < torch.tensor([[4], [2], [0]])


def by_layers(encoder: AwdLstmEncoder, row: torch.Tensor) -> torch.Tensor:
    for layer in encoder.layers:
        row, _ = layer(row)
    return row


def test_without_dropout_it_is_a_stack_of_lstms():
    torch.manual_seed(0)
    encoder = AwdLstmEncoder(**SIZES, **NO_DROPOUT, return_all_layers=True)
    inputs = torch.randn(3, 4, 4)
    first, last = encoder(inputs, MASK)
    assert first.shape == (3, 4, 5) and last.shape == (3, 4, 3)
    for row, length in ((0, 4), (1, 2)):
        torch.testing.assert_close(
            last[row : row + 1, :length], by_layers(encoder, inputs[row : row + 1, :length])
        )
    assert not last[~MASK].any() and not first[~MASK].any()


def test_evaluation_drops_nothing():
    encoder = AwdLstmEncoder(**SIZES).eval()
    inputs = torch.randn(1, 4, 4)
    torch.testing.assert_close(encoder(inputs, MASK[:1]), by_layers(encoder, inputs))
    assert encoder.activation_penalty is None


@pytest.mark.parametrize("where", ["input_dropout", "output_dropout"])
def test_a_row_keeps_its_mask_at_all_steps(where):
    torch.manual_seed(1)
    encoder = AwdLstmEncoder(40, 40, num_layers=1, **{**NO_DROPOUT, where: 0.5})
    with torch.no_grad():  # states that show their inputs: no recurrence, open gates
        for parameter in encoder.parameters():
            parameter.zero_()
        encoder.layers[0].weight_ih_l0.copy_(torch.eye(40).repeat(4, 1))
    outputs = encoder(torch.ones(2, 3, 40), torch.ones(2, 3).bool())
    is_dropped = outputs[:, 0] == outputs[:, 0].min()
    assert 0.25 < is_dropped.float().mean() < 0.75
    assert not torch.equal(is_dropped[0], is_dropped[1])
    for step in (1, 2):
        assert torch.equal(outputs[:, step] == outputs[:, step].min(), is_dropped)


def test_weights_between_states_are_dropped_for_the_whole_batch():
    torch.manual_seed(2)
    encoder = AwdLstmEncoder(4, 6, num_layers=1, **{**NO_DROPOUT, "weight_dropout": 0.5})
    inputs, mask = torch.randn(1, 3, 4).expand(2, 3, 4), torch.ones(2, 3).bool()
    one, other = encoder(inputs, mask), encoder(inputs, mask)
    torch.testing.assert_close(one[0], one[1])
    torch.testing.assert_close(one[:, 0], other[:, 0])  # the first step has no state before it
    assert not torch.allclose(one[:, 1:], other[:, 1:])
    (gradient,) = torch.autograd.grad(one.sum(), encoder.layers[0].weight_hh_l0)
    assert 0.2 < (gradient == 0).float().mean() < 0.8


def test_penalties_are_mean_squares_over_words():
    encoder = AwdLstmEncoder(
        **SIZES, **NO_DROPOUT, activation_penalty_weight=2.0, temporal_penalty_weight=3.0
    )
    outputs = encoder(torch.randn(3, 4, 4), MASK)
    words = torch.cat([outputs[0], outputs[1, :2]])
    changes = torch.cat([outputs[0, 1:] - outputs[0, :-1], outputs[1, 1:2] - outputs[1, :1]])
    expected = 2.0 * words.square().mean() + 3.0 * changes.square().mean()
    torch.testing.assert_close(encoder.activation_penalty, expected)
    assert encoder(torch.randn(1, 0, 4), torch.ones(1, 0)).shape == (1, 0, 3)


def test_state_is_carried_over():
    encoder = AwdLstmEncoder(**SIZES, stateful=True).eval()
    inputs = torch.randn(2, 6, 4)
    whole = by_layers(encoder, inputs)
    parts = [encoder(inputs[:, part], torch.ones(2, 3).bool()) for part in (slice(0, 3), slice(3, 6))]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    encoder.reset_states()
    torch.testing.assert_close(encoder(inputs[:, :3], torch.ones(2, 3).bool()), whole[:, :3])


def test_step_by_step():
    encoder = AwdLstmEncoder(**SIZES).eval()
    inputs, state = torch.randn(2, 4, 4), None
    for position in range(4):
        output, state = encoder.step(inputs[:, position : position + 1], torch.ones(2, 1), state)
        torch.testing.assert_close(output[:, 0], by_layers(encoder, inputs)[:, position])
    chosen = {name: part[[1, 1]] for name, part in state.items()}
    more = torch.randn(1, 1, 4).expand(2, 1, 4)
    one, _ = encoder.step(more, torch.ones(2, 1), chosen)
    torch.testing.assert_close(one[0], one[1])


def test_the_penalty_reaches_the_loss_of_a_model():
    from nlpreg.data import Vocabulary
    from nlpreg.models import Model

    class Encoded(Model):
        def __init__(self, vocab, encoder):
            super().__init__(vocab)
            self.encoder = encoder

    encoder = Seq2SeqEncoder.from_params(
        Params({"type": "awd_lstm", **SIZES, "activation_penalty_weight": 2.0})
    )
    model = Encoded(Vocabulary(), encoder)
    assert model.get_regularization_penalty() is None
    encoder(torch.randn(3, 4, 4), MASK)
    assert torch.equal(model.get_regularization_penalty(), encoder.activation_penalty)
    assert isinstance(encoder.layers[0], nn.LSTM)


def test_copies_after_training_and_half_precision():
    encoder = AwdLstmEncoder(**SIZES, activation_penalty_weight=2.0, temporal_penalty_weight=1.0)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = encoder(torch.randn(3, 4, 4), MASK)
    assert outputs.dtype == torch.bfloat16 and encoder.activation_penalty.dtype == torch.float32
    twin = copy.deepcopy(encoder)
    assert twin.activation_penalty is None and encoder.activation_penalty is not None
    twin.eval(), encoder.eval()
    inputs = torch.randn(3, 4, 4)
    assert torch.equal(twin(inputs, MASK), encoder(inputs, MASK))


def test_the_penalty_is_that_of_the_modules_at_the_last_call_of_train():
    from nlpreg.data import Vocabulary
    from nlpreg.models import Model

    model = Model(Vocabulary())
    model.train()
    assert model.get_regularization_penalty() is None
    model.encoder = AwdLstmEncoder(**SIZES, activation_penalty_weight=2.0)
    model.train()
    model.encoder(torch.randn(3, 4, 4), MASK)
    assert torch.equal(model.get_regularization_penalty(), model.encoder.activation_penalty)
    model.encoder = torch.nn.Linear(1, 1)
    model.train()
    assert model.get_regularization_penalty() is None
