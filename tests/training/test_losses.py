import math

import pytest
import torch

from nlpreg.training.losses import Accumulation, NonFiniteLossError, RunningLoss


@pytest.fixture
def weight():
    return torch.nn.Parameter(torch.tensor([1.0, 2.0]))


def outputs_of(weight, xs, reports_weight=True, **more):
    outputs = {"loss": (torch.tensor(xs) @ weight).square().mean(), **more}
    if reports_weight:
        outputs["batch_weight"] = torch.tensor(float(len(xs)))
    return outputs


def run(weight, batches, **options):
    accumulation = Accumulation(len(batches))
    weight.grad = None
    for batch in batches:
        outputs = outputs_of(weight, batch, **options)
        accumulation.record(outputs)
        accumulation.weigh(outputs).backward()
    loss, penalty, _ = accumulation.finish([weight])
    return loss, penalty, weight.grad.clone()


ROWS = [[1.0, 2.0], [0.5, -1.0], [3.0, 1.0]]


def test_batches_of_several_sizes_make_one_large_batch(weight):
    loss, penalty, gradient = run(weight, [ROWS[:1], ROWS[1:]])
    whole_loss, _, whole_gradient = run(weight, [ROWS])
    torch.testing.assert_close(loss, whole_loss)
    torch.testing.assert_close(gradient, whole_gradient)
    assert penalty is None


def test_without_weights_every_batch_counts_the_same(weight):
    loss, _, gradient = run(weight, [ROWS[:1], ROWS[1:]], reports_weight=False)
    first, _, first_gradient = run(weight, [ROWS[:1]])
    second, _, second_gradient = run(weight, [ROWS[1:]])
    torch.testing.assert_close(loss, (first + second) / 2)
    torch.testing.assert_close(gradient, (first_gradient + second_gradient) / 2)


def test_a_single_batch_is_left_alone(weight):
    accumulation = Accumulation(1)
    outputs = outputs_of(weight, ROWS)
    assert accumulation.weigh(outputs) is outputs["loss"]
    accumulation.record(outputs)
    loss = accumulation.finish([weight]).loss
    assert loss.item() == outputs["loss"].item()


def test_a_batch_without_targets_counts_nothing(weight):
    accumulation = Accumulation(2)
    full, empty = outputs_of(weight, ROWS), {"loss": weight.sum() * 0.0, "batch_weight": torch.tensor(0)}
    for outputs in (full, empty):
        accumulation.record(outputs)
        accumulation.weigh(outputs).backward()
    loss = accumulation.finish([weight]).loss
    torch.testing.assert_close(loss, full["loss"].detach())
    torch.testing.assert_close(weight.grad, run(weight, [ROWS])[2])


def test_only_batches_without_targets(weight):
    accumulation = Accumulation(2)
    for _ in range(2):
        outputs = {"loss": weight.sum() * 0.0, "batch_weight": torch.tensor(0)}
        accumulation.record(outputs)
        accumulation.weigh(outputs).backward()
    loss = accumulation.finish([weight]).loss
    assert loss.item() == 0.0
    assert weight.grad.tolist() == [0.0, 0.0]


def test_penalties_are_averaged(weight):
    accumulation = Accumulation(2)
    for penalty in (0.5, 1.5):
        accumulation.record(outputs_of(weight, ROWS, reg_loss=torch.tensor(penalty)))
    assert accumulation.finish([weight])[1].item() == 1.0


def test_gradients_that_somebody_else_made_are_not_divided(weight):
    accumulation = Accumulation(2)
    for batch in (ROWS[:1], ROWS[1:]):
        outputs = outputs_of(weight, batch)
        accumulation.record(outputs)
        (outputs["loss"] / 2).backward()
    before = weight.grad.clone()
    accumulation.finish([weight])
    assert torch.equal(weight.grad, before)


def test_sums_are_added_up_and_have_one_penalty(weight):
    def run_sums(batches):
        accumulation = Accumulation(len(batches), loss_is_sum=True)
        weight.grad = None
        for batch in batches:
            penalty = 0.1 * weight.square().sum()
            outputs = {
                "loss": (torch.tensor(batch) @ weight).square().sum() + penalty,
                "reg_loss": penalty,
                "batch_weight": torch.tensor(7.0),  # of no importance here
            }
            accumulation.record(outputs)
            accumulation.weigh(outputs).backward()
        return *accumulation.finish([weight]), weight.grad.clone()

    for several, one in zip(run_sums([ROWS[:1], ROWS[1:]]), run_sums([ROWS]), strict=True):
        torch.testing.assert_close(several, one)


def test_sums():
    running = RunningLoss("epoch 0")
    assert (running.count, running.total, running.last, running.last_penalty) == (0, 0.0, None, None)
    running.add(torch.tensor(1.5, requires_grad=True))
    running.add(torch.tensor(2.5), torch.tensor(0.25))
    assert (running.count, running.total, running.total_penalty) == (2, 4.0, 0.25)
    assert (running.last, running.last_penalty) == (2.5, 0.25)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_named(bad):
    running = RunningLoss("epoch 3")
    running.add(torch.tensor(1.0))
    with pytest.raises(NonFiniteLossError, match=f"epoch 3, batch 2, is {bad}"):
        running.add(torch.tensor(bad))


class LaterTensor(torch.Tensor):
    """A tensor that says it is on a GPU, and counts how often it is read."""

    reads = 0

    @property
    def device(self):
        return torch.device("cuda")

    def __float__(self):
        type(self).reads += 1
        return super().__float__()


def later(value):
    return torch.tensor(value).as_subclass(LaterTensor)


def test_on_other_devices_nothing_is_read_before_somebody_asks(monkeypatch):
    monkeypatch.setattr(LaterTensor, "reads", 0)
    running = RunningLoss("epoch 0")
    for value in (1.0, math.nan, 3.0):
        running.add(later(value))
    assert running.count == 3
    assert LaterTensor.reads == 0
    with pytest.raises(NonFiniteLossError, match="batch 2, is nan"):  # the first bad one, not the last
        running.read()


def test_not_more_than_a_thousand_wait(monkeypatch):
    running = RunningLoss("epoch 0")
    for _ in range(1001):
        running.add(later(1.0))
    assert len(running._pending) == 1
    assert running.total == 1001.0


def test_without_the_check_anything_goes():
    running = RunningLoss("the validation", check=False)
    running.add(torch.tensor(math.nan))
    assert math.isnan(running.total)


def test_a_state_goes_on():
    running, other = RunningLoss(), RunningLoss()
    running.add(torch.tensor(1.0), torch.tensor(0.5))
    other.load_state_dict(running.state_dict())
    other.add(torch.tensor(2.0), torch.tensor(0.25))
    assert (other.count, other.total, other.total_penalty) == (2, 3.0, 0.75)
