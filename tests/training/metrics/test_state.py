import pytest
import torch
from torch import nn

from nlpreg.training.metrics import (
    Average,
    CategoricalAccuracy,
    Metric,
    load_metrics_state_dict,
    metrics_state_dict,
)
from nlpreg.training.metrics.state import named_metrics


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.loss = Average()


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
        self.layers = nn.ModuleList([Inner()])
        self.metrics = {"accuracy": CategoricalAccuracy(), "of_tasks": [Average(), Average()]}
        self.label = "no metric"


class OwnMetric(Metric):
    """As a plugin would write one: plain attributes, no list of accumulators."""

    def __init__(self):
        self.function = len
        self.seen = {}
        self.total = 0

    def __call__(self, value):
        self.total += value
        self.seen[str(value)] = self.seen.get(str(value), 0) + 1

    def get_metric(self, reset=False):
        return self.total


def test_all_metrics_of_all_modules_are_found():
    assert [name for name, _ in named_metrics(Model())] == [
        "metrics.accuracy",
        "metrics.of_tasks.0",
        "metrics.of_tasks.1",
        "inner.loss",
        "layers.0.loss",
    ]


def test_state_goes_into_another_model(tmp_path):
    model = Model()
    model.inner.loss(3.0)
    model.metrics["of_tasks"][1](5.0)
    model.metrics["accuracy"](torch.eye(3), torch.tensor([0, 1, 0]))
    torch.save(metrics_state_dict(model), tmp_path / "state")
    other = Model()
    load_metrics_state_dict(other, torch.load(tmp_path / "state", weights_only=True))
    for model_with_state in (model, other):
        model_with_state.inner.loss(1.0)
        assert model_with_state.inner.loss.get_metric() == 2.0
        assert model_with_state.metrics["of_tasks"][1].get_metric() == 5.0
        assert model_with_state.metrics["of_tasks"][0].get_metric() == 0.0
        assert model_with_state.metrics["accuracy"].get_metric() == pytest.approx(2 / 3)


def test_state_is_a_copy():
    model = Model()
    state = metrics_state_dict(model)
    model.inner.loss(3.0)
    load_metrics_state_dict(model, state)
    assert model.inner.loss.get_metric() == 0.0


def test_state_of_another_model_is_refused():
    state = metrics_state_dict(Inner())
    with pytest.raises(ValueError, match="saved by a model with other metrics"):
        load_metrics_state_dict(Model(), state)


def test_metric_of_a_plugin_needs_nothing_special():
    metric, other = OwnMetric(), OwnMetric()
    metric(2)
    other.load_state_dict(metric.state_dict())
    for each in (metric, other):
        each(3)
        assert each.total == 5
        assert each.seen == {"2": 1, "3": 1}
        assert each.function is len
