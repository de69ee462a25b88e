import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.optimizers import HuggingfaceAdafactor

CASES = [
    {},
    {"warmup_init": True},
    {"lr": 0.1, "relative_step": False},
    {"lr": 0.1, "relative_step": False, "scale_parameter": False, "beta1": 0.9, "weight_decay": 0.1},
]


@pytest.mark.oracle
@pytest.mark.parametrize("options", CASES)
def test_updates_are_those_of_transformers(options):
    transformers = pytest.importorskip("transformers")

    def parameters():
        generator = torch.Generator().manual_seed(0)
        return [
            torch.nn.Parameter(torch.randn(*shape, generator=generator))
            for shape in [(3, 4), (5,), (2, 3, 2)]
        ]

    ours, theirs = parameters(), parameters()
    optimizer = HuggingfaceAdafactor([(str(index), p) for index, p in enumerate(ours)], **options)
    oracle = transformers.Adafactor(theirs, **options)
    for step in range(4):
        generator = torch.Generator().manual_seed(step + 1)
        for parameter, other in zip(ours, theirs, strict=True):
            parameter.grad = torch.randn(parameter.shape, generator=generator)
            other.grad = parameter.grad.clone()
        optimizer.step()
        oracle.step()
    for parameter, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(parameter, other)


def test_the_first_update_of_a_vector_by_hand():
    # with mean square g^2 + eps the update is the sign of the gradient, of root mean square 1, times the rate
    parameter = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = HuggingfaceAdafactor([("p", parameter)], scale_parameter=False)
    parameter.grad = torch.tensor([0.5, -2.0])
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), torch.tensor([2.99, 4.01]))


def test_only_rows_and_columns_are_kept_of_a_matrix():
    parameter = torch.nn.Parameter(torch.ones(3, 4))
    optimizer = HuggingfaceAdafactor([("p", parameter)])
    parameter.grad = torch.ones(3, 4)
    optimizer.step()
    shapes = {name: tuple(v.shape) for name, v in optimizer.state[parameter].items() if name != "step"}
    assert shapes == {"exp_avg_sq_row": (3,), "exp_avg_sq_col": (4,)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.1}, "lr: expected null with relative_step, got 0.1"),
        ({"warmup_init": True, "relative_step": False}, "warmup_init: expected relative_step"),
    ],
)
def test_options_that_exclude_each_other(options, message):
    with pytest.raises(ConfigurationError, match=message):
        HuggingfaceAdafactor([("p", torch.nn.Parameter(torch.ones(1)))], **options)
