import math

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.learning_rate_schedulers import LearningRateScheduler


def rates(num_updates: int = 100, **options) -> list[float]:
    """The learning rate of every update of a run, and that after the last one."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = LearningRateScheduler.from_params(
        Params(options), optimizer=optimizer, num_training_steps=num_updates
    )
    found = []
    for update in range(1, num_updates + 2):
        found.append(optimizer.param_groups[0]["lr"])
        scheduler.step_batch(update)
    scheduler.step()
    return found


def test_a_rise_and_half_a_cosine():
    found = rates(type="warmup_cosine", warmup_steps=10, min_factor=0.1)
    assert found[:11] == pytest.approx([2.0 * step / 10 for step in range(11)])
    for step in (10, 40, 55, 100):
        expected = 0.2 + 1.8 * (1 + math.cos(math.pi * (step - 10) / 90)) / 2
        assert found[step] == pytest.approx(expected)
    assert found[100] == pytest.approx(0.2)


def test_a_rise_a_plateau_and_a_fall():
    found = rates(type="warmup_stable_decay", warmup_steps=10, decay_steps=20)
    assert found[10:81] == pytest.approx([2.0] * 71)
    assert found[80:] == pytest.approx([2.0 * (100 - step) / 20 for step in range(80, 101)])
    assert rates(type="warmup_stable_decay")[90:] == pytest.approx(
        [2.0 * (100 - step) / 10 for step in range(90, 101)]
    )


def test_the_rate_stays_after_the_end():
    assert rates(120, type="warmup_cosine", num_steps=100, min_factor=0.5)[100:] == pytest.approx([1.0] * 21)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"type": "warmup_cosine", "warmup_steps": 100},
            "warmup_steps: expected fewer than the updates of the run, 100",
        ),
        ({"type": "warmup_cosine", "min_factor": 2}, "min_factor"),
        (
            {"type": "warmup_stable_decay", "warmup_steps": 60, "decay_steps": 60},
            "decay_steps: expected at most the updates after the rise, 40, got 60",
        ),
    ],
)
def test_schedules_that_do_not_fit_the_run_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        rates(**options)


def test_the_length_of_the_run_must_be_known():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    with pytest.raises(ConfigurationError, match="the number of updates of the run is unknown"):
        LearningRateScheduler.from_params(Params({"type": "warmup_cosine"}), optimizer=optimizer)
