import math

import pytest
import torch

from nlpreg.training.losses import NonFiniteLossError, RunningLoss


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
