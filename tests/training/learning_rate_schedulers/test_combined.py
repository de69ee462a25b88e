import pytest

from nlpreg.training.learning_rate_schedulers import ExponentialLearningRateScheduler, LinearWithWarmup

# no update is made here, which torch finds odd
pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")


def test_each_starts_from_the_rates_of_the_one_before_and_counts_from_its_start(
    build, rates_by_update, optimizer
):
    config = {
        "type": "combined",
        "schedulers": [
            [1, {"type": "polynomial_decay", "end_learning_rate": 0.5}],
            [1, {"type": "linear_with_warmup", "warmup_steps": 5}],
        ],
    }
    scheduler = build(config)
    rates = rates_by_update(scheduler, 25)
    first = [1.0 - 0.05 * step for step in range(11)]
    second = [0.5 * (step / 5 if step < 5 else (10 - step) / 5) for step in range(1, 11)]
    assert rates == pytest.approx([*first, *second, 0.0, 0.0, 0.0, 0.0, 0.0], abs=1e-9)
    assert scheduler.current_scheduler is None


def test_schedulers_of_epochs(build, rates_by_epoch):
    config = {"type": "combined", "schedulers": [[2, {"type": "exponential", "gamma": 0.5}], [1, "constant"]]}
    scheduler = build(config)
    assert isinstance(scheduler.current_scheduler, ExponentialLearningRateScheduler)
    assert rates_by_epoch(scheduler, 5) == pytest.approx([1.0, 0.5, 0.25, 0.25, 0.25, 0.25])


def test_a_scheduler_is_told_its_own_number_of_epochs(build):
    scheduler = build({"type": "combined", "schedulers": [[2, "linear_with_warmup"], [1, "constant"]]})
    assert isinstance(scheduler.current_scheduler, LinearWithWarmup)
    assert scheduler.current_scheduler.total_steps == 20


def test_the_validation_metric_is_handed_on(build):
    scheduler = build(
        {"type": "combined", "schedulers": [[1, "reduce_on_plateau"]]}, validation_metric="+accuracy"
    )
    assert scheduler.current_scheduler.lr_scheduler.mode == "max"


def test_the_keys_of_its_state(build):
    scheduler = build({"type": "combined", "schedulers": [[1, "constant"]]})
    assert {"last_epoch", "num_steps_per_epoch", "current_scheduler"} <= set(scheduler.state_dict())
    with pytest.raises(NotImplementedError, match="use those of its `current_scheduler`"):
        scheduler.get_values()
