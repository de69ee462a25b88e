import pytest


def test_a_rise_and_a_fall(build, rates_by_update):
    rates = rates_by_update(build({"type": "linear_with_warmup", "warmup_steps": 10}), 30)
    expected = [step / 10 if step < 10 else (30 - step) / 20 for step in range(31)]
    assert rates == pytest.approx(expected)


def test_the_rise_is_100_updates_by_default(build):
    assert build("linear_with_warmup").warmup_steps == 100
