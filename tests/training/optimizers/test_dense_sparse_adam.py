import pytest
import torch

from nlpreg.training.optimizers import DenseSparseAdam


def test_dense_gradients_follow_the_formula():
    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = DenseSparseAdam([("p", parameter)], lr=0.1, betas=(0.8, 0.9), eps=1e-3)
    mean = square = torch.zeros(2)
    expected = parameter.detach().clone()
    for step, gradient in enumerate([[0.5, -1.0], [2.0, 0.25], [0.0, 1.0]], start=1):
        parameter.grad = g = torch.tensor(gradient)
        optimizer.step()
        mean, square = 0.8 * mean + 0.2 * g, 0.9 * square + 0.1 * g * g
        rate = 0.1 * (1 - 0.9**step) ** 0.5 / (1 - 0.8**step)
        expected = expected - rate * mean / (square.sqrt() + 1e-3)
    torch.testing.assert_close(parameter.detach(), expected)


def test_sparse_gradients_touch_only_their_rows():
    parameter = torch.nn.Parameter(torch.arange(8.0).view(4, 2))
    optimizer = DenseSparseAdam([("p", parameter)], lr=0.1)
    mean, square = torch.zeros(4, 2), torch.zeros(4, 2)
    expected = parameter.detach().clone()
    # the second gradient names row 1 twice; its share is the sum
    steps = [([0, 1], [[1.0, 2.0], [3.0, 4.0]]), ([1, 3, 1], [[1.0, 1.0], [5.0, 6.0], [0.5, 0.25]])]
    for step, (rows, values) in enumerate(steps, start=1):
        gradient = torch.sparse_coo_tensor(
            torch.tensor([rows]), torch.tensor(values), (4, 2), check_invariants=True
        )
        parameter.grad = gradient
        optimizer.step()
        dense = gradient.to_dense()
        touched = sorted(set(rows))
        mean[touched] = 0.9 * mean[touched] + 0.1 * dense[touched]
        square[touched] = 0.999 * square[touched] + 0.001 * dense[touched] ** 2
        rate = 0.1 * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
        expected[touched] -= rate * mean[touched] / (square[touched].sqrt() + 1e-8)
    torch.testing.assert_close(parameter.detach(), expected)
    torch.testing.assert_close(optimizer.state[parameter]["exp_avg"], mean)


def test_dense_and_sparse_side_by_side():
    embedding, linear = torch.nn.Embedding(5, 2, sparse=True), torch.nn.Linear(2, 1)
    parameters = [*embedding.named_parameters(), *linear.named_parameters()]
    optimizer = DenseSparseAdam(parameters)
    linear(embedding(torch.tensor([1, 1, 4]))).sum().backward()
    before = [parameter.detach().clone() for _, parameter in parameters]
    optimizer.step()
    changes = [
        (parameter.detach() - old).abs().sum() for (_, parameter), old in zip(parameters, before, strict=True)
    ]
    assert all(change > 0 for change in changes)


def test_the_loss_of_a_closure_is_returned():
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = DenseSparseAdam([("p", parameter)])

    def closure():
        loss = (3 * parameter).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 3.0
    assert parameter.item() < 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, "lr: expected 0 or more, got -1.0"),
        ({"eps": -1.0}, "eps: expected 0 or more, got -1.0"),
        ({"betas": (0.9, 1.0)}, r"betas: expected numbers from 0 to below 1, got \[0.9, 1.0\]"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        DenseSparseAdam([("p", torch.nn.Parameter(torch.ones(1)))], **options)
