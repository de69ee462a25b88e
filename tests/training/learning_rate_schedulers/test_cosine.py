import pytest

from nlpreg.common.checks import ConfigurationError


def test_the_example_of_the_documentation(build, rates_by_epoch):
    config = {"type": "cosine", "t_initial": 4, "t_mul": 2.0, "eta_mul": 0.5}
    rates = rates_by_epoch(build(config), 6)
    assert rates[1:] == pytest.approx([0.8536, 0.5, 0.1464, 0.5, 0.481, 0.4268], abs=1e-4)


def test_the_lowest_rate(build, optimizer):
    scheduler = build({"type": "cosine", "t_initial": 2, "eta_min": 0.2})
    assert scheduler.get_values() == [1.0, 0.5]
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.6)  # half-way between 1 and 0.2
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1.0)


def test_a_fall_of_one_epoch_never_falls(build, caplog):
    build({"type": "cosine", "t_initial": 1})
    assert "the learning rate never changes" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"t_initial": 0}, "t_initial: expected 1 or more, got 0"),
        ({"t_initial": 1, "eta_min": -1.0}, "eta_min: expected 0 or more, got -1.0"),
    ],
)
def test_options_that_make_no_sense(build, options, message):
    with pytest.raises(ConfigurationError, match=message):
        build({"type": "cosine", **options})
