import pytest


def test_rates_follow_the_formula(build, optimizer):
    scheduler = build({"type": "noam", "model_size": 16, "warmup_steps": 4, "factor": 2.0})
    for update in range(1, 12):
        scheduler.step_batch(update)
        expected = 2.0 * 16**-0.5 * min(update**-0.5, update * 4**-1.5)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([expected] * 2)
        scheduler.step()  # epochs change nothing
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)


def test_updates_are_counted_where_no_number_is_given(build, optimizer):
    scheduler = build({"type": "noam", "model_size": 1, "warmup_steps": 100})
    for _ in range(3):
        scheduler.step_batch()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(3 * 100**-1.5)
