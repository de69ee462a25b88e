import math

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.describe import snake_case
from nlpreg.training.learning_rate_schedulers import LearningRateScheduler

# no update is made here, which torch finds odd
pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")


def test_constant(build, rates_by_epoch):
    assert rates_by_epoch(build("constant"), 3) == [1.0] * 4


def test_a_rate_without_warmup_is_not_zero_at_the_start(build, rates_by_epoch):
    assert rates_by_epoch(build({"type": "constant_with_warmup", "num_warmup_steps": 0}), 3) == [1.0] * 4


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


NEED_CODE = {"LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler"}


def test_every_schedule_of_torch_that_json_can_describe_is_registered():
    names = {
        snake_case(name)
        for name, cls in vars(torch.optim.lr_scheduler).items()
        if isinstance(cls, type) and issubclass(cls, torch.optim.lr_scheduler.LRScheduler) and name[0] != "_"
    }
    needs_code = {snake_case(name) for name in NEED_CODE}
    assert names - {"lr_scheduler"} - needs_code <= set(LearningRateScheduler.list_available())
    assert not needs_code & set(LearningRateScheduler.list_available())


OF_TORCH = {
    "constant_lr": (torch.optim.lr_scheduler.ConstantLR, {"factor": 0.25, "total_iters": 3}),
    "linear_lr": (torch.optim.lr_scheduler.LinearLR, {"total_iters": 3}),
    "polynomial_lr": (torch.optim.lr_scheduler.PolynomialLR, {"total_iters": 4, "power": 2.0}),
    "cosine_annealing_lr": (torch.optim.lr_scheduler.CosineAnnealingLR, {"T_max": 5}),
    "cosine_annealing_warm_restarts": (torch.optim.lr_scheduler.CosineAnnealingWarmRestarts, {"T_0": 3}),
    "one_cycle_lr": (torch.optim.lr_scheduler.OneCycleLR, {"max_lr": 1.0, "total_steps": 8}),
    "cyclic_lr": (
        torch.optim.lr_scheduler.CyclicLR,
        {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 2, "cycle_momentum": False},
    ),
}


@pytest.mark.parametrize("interval", ["epoch", "batch"])
@pytest.mark.parametrize("name", OF_TORCH)
def test_rates_are_those_of_torch(name, interval):
    cls, options = OF_TORCH[name]

    def new_optimizer():
        return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)

    ours, theirs = new_optimizer(), new_optimizer()
    plain = cls(theirs, **options)
    config = {"type": name, "interval": interval, **options}
    scheduler = LearningRateScheduler.from_params(Params(config), optimizer=ours, num_epochs=7)
    for number in range(1, 8):
        if interval == "batch":
            scheduler.step_batch(number)
            scheduler.step(None)  # the end of an epoch is nothing to it
        assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"]
        assert ours.param_groups[0]["momentum"] == theirs.param_groups[0]["momentum"]
        theirs.step()
        plain.step()
        if interval == "epoch":
            scheduler.step_batch(number)
            scheduler.step(None)


def test_one_cycle_spans_the_run(build, rates_by_update):
    scheduler = build({"type": "one_cycle_lr", "max_lr": 1.0, "cycle_momentum": False})
    rates = []
    for update in range(1, 31):
        scheduler.step_batch(update)
        rates.append(scheduler.get_values()[0])
    assert rates[0] == pytest.approx(1 / 25)
    assert rates.index(max(rates)) == 8  # 0.3 of 30 updates, less one
    assert rates[-1] == pytest.approx(1 / 25 / 1e4)


def test_updates_may_be_counted_by_the_scheduler(build):
    scheduler = build({"type": "step", "step_size": 2, "gamma": 0.5, "interval": "batch"})
    rates = []
    for _ in range(5):
        scheduler.step_batch()
        rates.append(scheduler.get_values()[0])
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_what_torch_refuses_is_an_error_of_the_config(build):
    with pytest.raises(
        ConfigurationError, match="learning_rate_scheduler one_cycle_lr: You must define either total"
    ):
        build({"type": "one_cycle_lr", "max_lr": 1.0}, num_steps_per_epoch=None)


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
