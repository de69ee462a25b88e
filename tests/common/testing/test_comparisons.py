import pytest
import torch
from torch import nn

from nlpreg.common.testing import assert_equal_parameters, assert_metrics_values, global_distributed_metric
from nlpreg.training.metrics import Average, BooleanAccuracy


def test_metrics_that_agree_pass() -> None:
    metrics = {"loss": 1.0 + 1e-6, "per_class": {"a": [0.5, 1.0]}, "other": 3}
    assert_metrics_values(metrics, {"loss": 1.0, "per_class": {"a": [0.5, 1.0]}})


@pytest.mark.parametrize(
    ("desired", "match"), [({"loss": 1.1}, "loss"), ({"per_class": {"a": [0.5, 0.9]}}, r"per_class\.a")]
)
def test_a_metric_that_differs_is_named(desired: dict[str, object], match: str) -> None:
    with pytest.raises(AssertionError, match=match):
        assert_metrics_values({"loss": 1.0, "per_class": {"a": [0.5, 1.0]}}, desired)


def test_tolerances_of_metrics() -> None:
    assert_metrics_values({"loss": 1.1}, {"loss": 1.0}, rtol=0.2)
    with pytest.raises(AssertionError, match="loss"):
        assert_metrics_values({"loss": 1.00001}, {"loss": 1.0}, rtol=0.0, atol=0.0)


def test_a_metric_gets_the_share_of_its_rank_as_often_as_asked() -> None:
    shares = {"value": [1.0, 4.0]}
    global_distributed_metric(1, 2, -1, Average(), shares, 4.0, number_of_runs=3)
    with pytest.raises(AssertionError, match="metric"):
        global_distributed_metric(0, 2, -1, Average(), shares, 4.0)


@pytest.mark.parametrize(("exact", "passes"), [(True, False), (False, True), ((0.0, 0.01), True)])
def test_how_exact_a_metric_has_to_be(exact: bool | tuple[float, float], passes: bool) -> None:
    def compare() -> None:
        global_distributed_metric(0, 1, -1, Average(), {"value": [1.00001]}, 1.0, exact=exact)

    if passes:
        compare()
    else:
        with pytest.raises(AssertionError, match="metric"):
            compare()


def test_tensors_reach_the_metric() -> None:
    predictions = [torch.tensor([[1, 0], [1, 1]]), torch.tensor([[0, 0]])]
    labels = [torch.tensor([[1, 0], [0, 1]]), torch.tensor([[0, 0]])]
    shares = {"predictions": predictions, "gold_labels": labels}
    global_distributed_metric(0, 2, -1, BooleanAccuracy(), shares, 0.5)


def test_equal_parameters() -> None:
    old = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(1, 1)})
    new = nn.ModuleDict({"c": nn.Linear(2, 2)})
    new["c"].load_state_dict(old["a"].state_dict())
    assert assert_equal_parameters(old, new, mapping={"c.": "a."}) == {"b.weight", "b.bias"}
    assert assert_equal_parameters(old, new, ignore_missing=True) == set(dict(old.named_parameters()))
    with pytest.raises(KeyError):
        assert_equal_parameters(old, new)
    new["c"].weight.data += 1
    with pytest.raises(AssertionError, match=r"a\.weight"):
        assert_equal_parameters(old, new, mapping={"c.": "a."})
