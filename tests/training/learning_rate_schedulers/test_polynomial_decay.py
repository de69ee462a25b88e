import pytest

from nlpreg.common.checks import ConfigurationError


def test_the_example_of_the_documentation(build, rates_by_update):
    rates = rates_by_update(build({"type": "polynomial_decay", "warmup_steps": 5}), 31)
    assert {step: rates[step] for step in (0, 1, 5, 6, 29, 30, 31)} == pytest.approx(
        {0: 0.0, 1: 0.2, 5: 1.0, 6: 0.96, 29: 0.04, 30: 0.0, 31: 0.0}
    )


def test_power_and_end(build, rates_by_update):
    config = {"type": "polynomial_decay", "power": 2.0, "end_learning_rate": 0.1}
    rates = rates_by_update(build(config), 30)
    assert rates == pytest.approx([((30 - step) / 30) ** 2 * 0.9 + 0.1 for step in range(31)])


def test_updates_are_counted_where_no_number_is_given(build, optimizer):
    scheduler = build({"type": "polynomial_decay", "warmup_steps": 10})
    for _ in range(3):
        scheduler.step_batch()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.3)


def test_the_length_of_an_epoch_must_be_known(build):
    with pytest.raises(ConfigurationError, match="number of steps of an epoch is unknown"):
        build("polynomial_decay", num_steps_per_epoch=None)
    build({"type": "polynomial_decay", "num_steps_per_epoch": 4}, num_steps_per_epoch=None)
