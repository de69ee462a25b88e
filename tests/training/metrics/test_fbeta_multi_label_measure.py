import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics import F1MultiLabelMeasure, FBetaMultiLabelMeasure

GENERATOR = torch.Generator().manual_seed(5)
SCORES = torch.rand(30, 4, generator=GENERATOR)
GOLD = (torch.rand(30, 4, generator=GENERATOR) > 0.6).long()


@pytest.mark.oracle
@pytest.mark.parametrize("average", [None, "micro", "macro", "weighted"])
@pytest.mark.parametrize("labels", [None, [2, 1]])
def test_against_scikit_learn(average, labels):
    metrics = pytest.importorskip("sklearn.metrics")
    measure = FBetaMultiLabelMeasure(beta=0.5, average=average, labels=labels, threshold=0.4)
    measure(SCORES[:9], GOLD[:9])
    measure(SCORES[9:], GOLD[9:])
    expected = metrics.precision_recall_fscore_support(
        GOLD.numpy(), (SCORES >= 0.4).numpy(), beta=0.5, labels=labels, average=average
    )
    measured = measure.get_metric()
    for name, values in zip(("precision", "recall", "fscore"), expected, strict=False):
        assert measured[name] == pytest.approx(values if average else values.tolist())


def test_a_mask_of_items_and_one_of_places():
    rows = torch.arange(30) % 3 > 0
    by_item, by_place, alone = (F1MultiLabelMeasure(average="macro") for _ in range(3))
    by_item(SCORES, GOLD, rows)
    by_place(SCORES, GOLD, rows.unsqueeze(1).expand(30, 4))
    alone(SCORES[rows], GOLD[rows])
    assert by_item.get_metric() == by_place.get_metric() == alone.get_metric()


def test_threshold_for_logits():
    measure = F1MultiLabelMeasure(average="micro", threshold=0.0)
    measure(torch.tensor([[-1.0, 2.0], [0.5, -0.1]]), torch.tensor([[0, 1], [1, 1]]))
    assert measure.get_metric() == {
        "precision": 1.0,
        "recall": pytest.approx(2 / 3),
        "fscore": pytest.approx(0.8),
    }


def test_shapes_have_to_agree():
    with pytest.raises(ConfigurationError, match="gold_labels: expected the shape of predictions"):
        FBetaMultiLabelMeasure()(SCORES, GOLD[:, 0])
