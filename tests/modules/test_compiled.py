"""What runs in every training step is compiled by torch without a break."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from nlpreg.modules import (
    ConditionalRandomField,
    FeedForward,
    Highway,
    ScalarMix,
    SoftmaxLoss,
    TimeDistributed,
)
from nlpreg.modules.sampled_softmax_loss import SampledSoftmaxLoss
from nlpreg.nn import util

torch.manual_seed(0)
X, TARGETS = torch.randn(6, 5, requires_grad=True), torch.tensor([0, 3, 8, 1, 1, 5])
LOGITS, TAGS = torch.randn(2, 6, 4, requires_grad=True), torch.randint(0, 4, (2, 6))
MASK = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "softmax": (SoftmaxLoss(9, 5), (X, TARGETS)),
    "sampled_softmax": (SampledSoftmaxLoss(9, 5, 3), (X, TARGETS)),
    "crf": (ConditionalRandomField(4), (LOGITS, TAGS, MASK)),
    "feedforward": (FeedForward(5, 2, 5, torch.nn.ReLU()), (X,)),
    "time_distributed": (TimeDistributed(torch.nn.Linear(4, 2)), (LOGITS,)),
    "highway": (Highway(5, 2), (X,)),
    "scalar_mix": (ScalarMix(2), ([X, X],)),
    "mask": (lambda ids: util.get_text_field_mask({"a": {"tokens": ids}}).float(), (TAGS,)),
    "final_states": (util.get_final_encoder_states, (LOGITS, MASK, True)),
    "flip": (util.masked_flip, (LOGITS, torch.tensor([6, 4]))),
    "cross_entropy": (util.sequence_cross_entropy_with_logits, (LOGITS, TAGS, MASK)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_compiled_equals_plain(name: str) -> None:
    function, arguments = CASES[name]
    torch._dynamo.reset()
    compiled = torch.compile(function, backend="aot_eager", fullgraph=True)
    torch.manual_seed(1)
    expected = function(*arguments)
    torch.manual_seed(1)
    found = compiled(*arguments)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    if found.requires_grad:
        leaf = LOGITS if any(argument is LOGITS for argument in arguments) else X
        wanted = torch.autograd.grad(expected.sum(), leaf)
        torch.testing.assert_close(torch.autograd.grad(found.sum(), leaf), wanted, rtol=1e-4, atol=1e-5)
