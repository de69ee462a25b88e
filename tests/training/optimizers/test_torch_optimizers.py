import pytest
import torch

from nlpreg.common import Params
from nlpreg.training.optimizers import Optimizer

FUSED = ["adam", "adamw", "adagrad", "sgd"]


def build(name, module, **options):
    rate = {"lr": 0.1, **options}
    return Optimizer.from_params(
        Params({"type": name, **rate}), model_parameters=list(module.named_parameters())
    )


def step(module, optimizer, inputs):
    optimizer.zero_grad()
    module(inputs).square().sum().backward()
    optimizer.step()


@pytest.mark.parametrize("name", FUSED)
def test_dense_floats_are_fused(name):
    module = torch.nn.Linear(2, 2)
    optimizer = build(name, module)
    step(module, optimizer, torch.ones(1, 2))
    assert optimizer.param_groups[0]["fused"] is True


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # about what torch itself does
@pytest.mark.parametrize("name", ["sgd", "adagrad"])
def test_sparse_gradients_are_not(name):
    embedding = torch.nn.Embedding(4, 2, sparse=True)
    before = embedding.weight.detach().clone()
    optimizer = build(name, embedding)
    for _ in range(2):
        step(embedding, optimizer, torch.tensor([2]))
    assert optimizer.param_groups[0]["fused"] is False
    assert (embedding.weight != before).any(1).tolist() == [False, False, True, False]


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("fused", [True, False])
def test_the_choice_can_be_made(name, fused):
    module = torch.nn.Linear(2, 2)
    optimizer = build(name, module, fused=fused)
    step(module, optimizer, torch.ones(1, 2))
    assert optimizer.param_groups[0]["fused"] is fused


def test_a_saved_state_keeps_the_choice():
    module = torch.nn.Linear(2, 2)
    optimizer, other = build("adam", module), build("adam", module)
    step(module, optimizer, torch.ones(1, 2))
    optimizer.param_groups[0]["fused"] = False
    other.load_state_dict(optimizer.state_dict())
    step(module, other, torch.ones(1, 2))
    assert other.param_groups[0]["fused"] is False
