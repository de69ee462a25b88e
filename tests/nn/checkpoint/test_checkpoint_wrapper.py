import copy

import torch
from torch import Tensor

from nlpreg.common import Params
from nlpreg.nn.checkpoint import CheckpointWrapper, TorchCheckpointWrapper


class Counting(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 3)
        self.calls = 0

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        self.calls += 1
        return torch.tanh(self.linear(x)) * scale


def test_activations_are_computed_again_in_training_only() -> None:
    plain = Counting()
    module = CheckpointWrapper.from_params(Params({})).wrap_module(copy.deepcopy(plain))
    assert isinstance(module, Counting)
    assert set(module.state_dict()) == set(plain.state_dict())
    x = torch.randn(2, 3, requires_grad=True)
    expected = torch.autograd.grad(plain(x, 2.0).sum(), (x, *plain.parameters()))
    found = torch.autograd.grad(module(x, 2.0).sum(), (x, *module.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
    assert module.calls == 2
    module.eval()
    module(x).sum().backward()
    assert module.calls == 3


def test_copies_use_their_own_weights() -> None:
    module = TorchCheckpointWrapper().wrap_module(Counting())
    twin = copy.deepcopy(module)
    x = torch.randn(2, 3)
    before = module(x)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert not twin(x).any()
    torch.testing.assert_close(module(x), before)
