import pytest
import torch
from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics import (
    Average,
    CategoricalAccuracy,
    Metric,
    load_metrics_state_dict,
    metrics_state_dict,
)
from nlpreg.training.metrics.metric import (
    add,
    full,
    gather_over_ranks,
    local_metrics,
    named_metrics,
    several_ranks,
    sum_over_ranks,
    widest,
)

# the work of several ranks is tested with every metric in test_every_metric.py


def test_one_process_alone():
    assert not several_ranks()
    with local_metrics():
        assert not several_ranks()


def test_sums_of_one_rank_are_copies_with_their_shapes():
    parts = [torch.tensor(3), torch.tensor([[1.5, 2.5]]), torch.zeros(0, 3)]
    sums = sum_over_ranks(*parts)
    assert [total.shape for total in sums] == [part.shape for part in parts]
    assert [total.tolist() for total in sums] == [3.0, [[1.5, 2.5]], []]


def test_large_counts_stay_exact():
    (total,) = sum_over_ranks(torch.tensor(2**53 - 1))
    assert int(total) == 2**53 - 1


def test_gathering_from_one_rank():
    (share,) = gather_over_ranks(torch.tensor([1, 2], dtype=torch.uint8))
    assert share.tolist() == [1, 2]


def test_detach_tensors_leaves_other_things_alone():
    weight = torch.ones(2, requires_grad=True)
    detached, nothing, text = Metric.detach_tensors(weight, None, "text")
    assert not detached.requires_grad
    assert (nothing, text) == (None, "text")


def test_claims_are_checked_at_once_on_cpu():
    metric = Metric()
    metric._require(torch.tensor(True), "fine")
    with pytest.raises(ConfigurationError, match="not fine"):
        metric._require(torch.tensor(False), "not fine")
    with pytest.raises(KeyError, match="own kind"):
        metric._require(torch.tensor(False), KeyError("own kind"))


@pytest.mark.parametrize("holds", [True, False])
def test_claims_wait_on_other_devices(holds):
    class ElsewhereTensor(torch.Tensor):
        device = torch.device("cuda")

    metric = Metric()
    for each in (True, holds, True):
        metric._require(torch.tensor(each).as_subclass(ElsewhereTensor), "not fine")
    if holds:
        metric._check_pending()
    else:
        with pytest.raises(ConfigurationError, match="not fine"):
            metric._check_pending()
    metric._check_pending()


def test_numbers_keep_their_kind():
    assert full(3, torch.device("cpu")).dtype == torch.long
    assert widest(torch.ones((), dtype=torch.float16, requires_grad=True)).dtype == torch.float64
    assert add(torch.zeros(()), torch.tensor(2)).dtype == torch.long


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


def test_a_state_has_no_graph():
    metric = OwnMetric()
    weight = torch.ones((), requires_grad=True)
    metric(2 * weight)
    metric.seen["parts"] = [weight]
    state = metric.state_dict()
    assert not state["total"].requires_grad
    assert not state["seen"]["parts"][0].requires_grad
    with torch.no_grad():
        weight += 1
    assert state["seen"]["parts"] == [1.0]


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
