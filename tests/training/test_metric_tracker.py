import math

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metric_tracker import MetricTracker


def follow(tracker, values, name="loss"):
    history = []
    for value in values:
        tracker.add_metrics({name: value})
        history.append((tracker.is_best_so_far(), tracker.should_stop_early()))
    return history


def test_a_metric_that_is_to_fall():
    tracker = MetricTracker("-loss", patience=2)
    assert tracker.is_best_so_far()
    history = follow(tracker, [3.0, 2.0, 2.0, 2.5])
    assert history == [(True, False), (True, False), (False, False), (False, True)]
    assert tracker.best_epoch == 1


def test_a_metric_that_is_to_rise():
    tracker = MetricTracker("+accuracy", patience=1)
    assert follow(tracker, [0.5, 0.6, 0.6], "accuracy") == [(True, False), (True, False), (False, True)]


def test_without_patience_it_never_stops():
    assert not any(stop for _, stop in follow(MetricTracker("-loss"), [1.0] * 50))


def test_several_metrics_are_added_up():
    tracker = MetricTracker(["+accuracy", "-loss"])
    assert tracker.combined_score({"accuracy": 0.75, "loss": 0.5, "other": 9.0}) == 0.25


@pytest.mark.parametrize("name", ["loss", "", ["-loss", "accuracy"]])
def test_a_sign_is_needed(name):
    with pytest.raises(ConfigurationError, match=r"expected a leading \+"):
        MetricTracker(name)


def test_a_missing_metric():
    with pytest.raises(ConfigurationError, match="the validation has no metric 'acc'; got f1, loss"):
        MetricTracker("+acc").add_metrics({"loss": 1.0, "f1": 0.5})


def test_a_number_beats_what_is_none():
    tracker = MetricTracker("-loss")
    assert [best for best, _ in follow(tracker, [math.nan, math.nan, 5.0, math.nan, 4.0])] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert tracker.best_epoch == 4


def test_the_epoch_of_a_validation_may_be_given():
    tracker = MetricTracker("-loss")
    tracker.add_metrics({"loss": 2.0}, epoch=3)
    tracker.add_metrics({"loss": 1.0}, epoch=3)
    assert tracker.best_epoch == 3


def test_a_state_goes_on():
    tracker, other = MetricTracker("-loss", 2), MetricTracker("-loss", 2)
    follow(tracker, [1.0, 2.0])
    tracker.best_epoch_metrics = {"loss": 1.0}
    state = tracker.state_dict()
    other.load_state_dict(state)
    assert other.state_dict() == state
    assert follow(other, [3.0]) == [(False, True)]
    del state["best_epoch_metrics"]
    other.load_state_dict(state)
    assert other.best_epoch_metrics == {}
    del state["best_so_far"]
    with pytest.raises(KeyError, match="best_so_far"):
        other.load_state_dict(state)


def test_everything_is_forgotten():
    tracker = MetricTracker("-loss", 1)
    follow(tracker, [1.0, 2.0])
    tracker.clear()
    assert tracker.state_dict() == MetricTracker("-loss", 1).state_dict()
