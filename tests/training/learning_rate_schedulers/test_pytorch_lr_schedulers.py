import math

import pytest

from nlpreg.common.checks import ConfigurationError

# no update is made here, which torch finds odd
pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")


def test_constant(build, rates_by_epoch):
    assert rates_by_epoch(build("constant"), 3) == [1.0] * 4


def test_constant_with_warmup(build, rates_by_epoch):
    config = {"type": "constant_with_warmup", "num_warmup_steps": 4}
    assert rates_by_epoch(build(config), 6) == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_cosine_with_warmup(build, rates_by_epoch):
    config = {"type": "cosine_with_warmup", "num_warmup_steps": 2, "num_training_steps": 10}
    falling = [0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(9)]
    assert rates_by_epoch(build(config), 10) == pytest.approx([0.0, 0.5, *falling], abs=1e-9)


def test_cosine_hard_restarts_with_warmup(build, rates_by_epoch):
    config = {
        "type": "cosine_hard_restarts_with_warmup",
        "num_warmup_steps": 2,
        "num_training_steps": 10,
        "num_cycles": 2,
    }
    fall = [0.5 * (1 + math.cos(math.pi * step / 4)) for step in range(4)]
    expected = [0.0, 0.5, *fall, *fall, 0.0, 0.0]
    assert rates_by_epoch(build(config), 11) == pytest.approx(expected, abs=1e-9)


def test_step(build, rates_by_epoch):
    config = {"type": "step", "step_size": 2, "gamma": 0.5}
    assert rates_by_epoch(build(config), 5) == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


def test_multi_step(build, rates_by_epoch):
    config = {"type": "multi_step", "milestones": [1, 3], "gamma": 0.5}
    assert rates_by_epoch(build(config), 4) == [1.0, 0.5, 0.5, 0.25, 0.25]


def test_exponential(build, rates_by_epoch):
    assert rates_by_epoch(build("exponential"), 3) == pytest.approx([1.0, 0.1, 0.01, 0.001])


def plateau(**options):
    return {"type": "reduce_on_plateau", "patience": 1, "factor": 0.5, **options}


def test_plateau_by_itself_is_that_of_torch(build, rates_by_epoch):
    rates = rates_by_epoch(build(plateau()), 5, scores=[3.0, 2.0, 2.0, 2.5, 1.0])
    assert rates == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]


@pytest.mark.parametrize("metric", ["-loss", ["-loss"]])
@pytest.mark.parametrize("mode", [None, "min"])
def test_plateau_of_a_loss_takes_its_score(build, rates_by_epoch, metric, mode):
    scheduler = build(plateau(mode=mode), validation_metric=metric)
    assert scheduler.lr_scheduler.mode == "min"
    # the very same loss again is no improvement, which a relative threshold on negative scores would not notice
    rates = rates_by_epoch(scheduler, 5, scores=[-3.0, -2.0, -2.0, -2.0, -1.0])
    assert rates == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]


@pytest.mark.parametrize("metric", ["+accuracy", ["+f1", "-loss"]])
@pytest.mark.parametrize("mode", [None, "max"])
def test_plateau_of_what_is_to_rise(build, rates_by_epoch, metric, mode):
    scheduler = build(plateau(mode=mode), validation_metric=metric)
    assert scheduler.lr_scheduler.mode == "max"
    assert rates_by_epoch(scheduler, 4, scores=[0.5, 0.6, 0.6, 0.5]) == [1.0, 1.0, 1.0, 1.0, 0.5]


def test_plateau_takes_the_mode_of_older_configs(build, rates_by_epoch):
    scheduler = build(plateau(mode="max", verbose=True), validation_metric="-loss")
    assert rates_by_epoch(scheduler, 4, scores=[-3.0, -2.0, -2.5, -2.5]) == [1.0, 1.0, 1.0, 1.0, 0.5]


def test_plateau_needs_a_metric(build):
    with pytest.raises(ConfigurationError, match="needs a validation metric after every epoch"):
        build(plateau()).step(None)


def test_values_are_those_of_the_optimizer(build):
    scheduler = build("exponential")
    assert scheduler.get_values() == [1.0, 0.5]
    assert scheduler.lr_scheduler.optimizer is scheduler.optimizer
