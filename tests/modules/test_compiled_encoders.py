"""Recurrent encoders and the random field are compiled without a break, and once for batches of all lengths."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from nlpreg.modules import ConditionalRandomField
from nlpreg.modules.conditional_random_field import (
    ConditionalRandomFieldWeightEmission,
    ConditionalRandomFieldWeightLannoy,
    ConditionalRandomFieldWeightTrans,
)
from nlpreg.modules.elmo_lstm import ElmoLstm
from nlpreg.modules.seq2seq_encoders import (
    AugmentedLstmSeq2SeqEncoder,
    BidirectionalLanguageModelTransformer,
    GruSeq2SeqEncoder,
    LstmSeq2SeqEncoder,
    StackedAlternatingLstmSeq2SeqEncoder,
    StackedBidirectionalLstmSeq2SeqEncoder,
)
from nlpreg.modules.seq2vec_encoders import (
    LstmSeq2VecEncoder,
    StackedAlternatingLstmSeq2VecEncoder,
    StackedBidirectionalLstmSeq2VecEncoder,
)

# Widths that no batch has for a size: equal numbers would look like one to the compiler.
WIDTH = 24
WEIGHTS = [1.0, 2.0, 0.5, 1.0] * 4
ENCODERS = {
    "lstm": lambda: LstmSeq2SeqEncoder(WIDTH, 13, bidirectional=True),
    "gru": lambda: GruSeq2SeqEncoder(WIDTH, 13, num_layers=2),
    "augmented": lambda: AugmentedLstmSeq2SeqEncoder(WIDTH, 13),
    "augmented_backward": lambda: AugmentedLstmSeq2SeqEncoder(WIDTH, 13, go_forward=False, use_highway=False),
    "alternating": lambda: StackedAlternatingLstmSeq2SeqEncoder(WIDTH, 13, 2),
    "stacked": lambda: StackedBidirectionalLstmSeq2SeqEncoder(WIDTH, 13, 2),
    "transformer": lambda: BidirectionalLanguageModelTransformer(WIDTH, 13, 2, dropout=0.0),
    "lstm_to_vector": lambda: LstmSeq2VecEncoder(WIDTH, 13, bidirectional=True),
    "alternating_to_vector": lambda: StackedAlternatingLstmSeq2VecEncoder(WIDTH, 13, 2),
    "stacked_to_vector": lambda: StackedBidirectionalLstmSeq2VecEncoder(WIDTH, 13, 2),
}
STATEFUL_ENCODERS = {
    "stateful": lambda: StackedBidirectionalLstmSeq2SeqEncoder(WIDTH, 13, 2, stateful=True),
    "elmo": lambda: ElmoLstm(
        WIDTH, WIDTH, 14, 2, memory_cell_clip_value=0.3, state_projection_clip_value=0.2
    ),
}
RANDOM_FIELDS = {
    "plain": lambda: ConditionalRandomField(16),
    "without_ends": lambda: ConditionalRandomField(16, include_start_end_transitions=False),
    "emission": lambda: ConditionalRandomFieldWeightEmission(16, WEIGHTS),
    "transitions": lambda: ConditionalRandomFieldWeightTrans(16, WEIGHTS),
    "lannoy": lambda: ConditionalRandomFieldWeightLannoy(16, WEIGHTS),
}
QUICK = ["augmented", "stacked"]


def slow(cases):
    """The names of what is not tested quickly."""
    return [pytest.param(name, marks=pytest.mark.slow) for name in cases if name not in (*QUICK, "plain")]


SHAPES = [(3, 5), (4, 7), (2, 9)]
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("from_scratch"),
]


@pytest.fixture
def from_scratch():
    torch._dynamo.reset()
    with torch._dynamo.config.patch(allow_rnn=True):
        yield
    torch._dynamo.reset()


def ragged(num_rows, num_steps):
    lengths = torch.randint(1, num_steps + 1, (num_rows,))
    lengths[0], lengths[-1] = num_steps, 1
    return torch.arange(num_steps) < lengths.unsqueeze(1)


def check_compiled(module, batches, num_settling=1):
    """Compare results and gradients over batches of several shapes; after the first ones nothing is compiled anew."""
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(module, backend=counter, fullgraph=True, dynamic=True)
    counts = []
    for arguments in batches:
        leaves = [arguments[0].requires_grad_(), *(p for p in module.parameters() if p.requires_grad)]
        before = getattr(module, "_states", None)
        expected = module(*arguments)
        after = getattr(module, "_states", None)
        if after is not None:
            module._states = before
        found = compiled(*arguments)
        if isinstance(module, BidirectionalLanguageModelTransformer):  # anything may stand at padding
            expected, found = (result * arguments[1].unsqueeze(2) for result in (expected, found))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
        if after is not None:
            torch.testing.assert_close(module._states, after)
        one, other = (
            torch.autograd.grad(result.square().sum(), leaves, allow_unused=True)
            for result in (found, expected)
        )
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)
        counts.append(counter.frame_count)
    assert counts[num_settling - 1] == counts[-1]


@pytest.mark.parametrize("name", [*QUICK, *slow(ENCODERS)])
def test_encoders(name):
    torch.manual_seed(0)
    batches = [(torch.randn(*shape, WIDTH), ragged(*shape)) for shape in SHAPES]
    check_compiled(ENCODERS[name](), batches)


@pytest.mark.slow
@pytest.mark.parametrize("name", STATEFUL_ENCODERS)
def test_stateful_encoders(name):
    torch.manual_seed(0)
    # The first batch has no state to start from; later ones may have more or fewer rows than the one before.
    shapes = [(4, 5), (4, 7), (3, 6), (5, 4), (5, 6), (2, 9), (6, 5)]
    batches = [(torch.randn(*shape, WIDTH), ragged(*shape)) for shape in shapes]
    check_compiled(STATEFUL_ENCODERS[name](), batches, num_settling=len(shapes))


@pytest.mark.parametrize("name", ["plain", *slow(RANDOM_FIELDS)])
def test_likelihoods(name):
    torch.manual_seed(0)
    batches = [(torch.randn(*shape, 16), torch.randint(0, 16, shape), ragged(*shape)) for shape in SHAPES]
    check_compiled(RANDOM_FIELDS[name](), batches)
