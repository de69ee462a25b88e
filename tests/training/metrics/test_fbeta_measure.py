import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics import FBetaMeasure

GENERATOR = torch.Generator().manual_seed(3)
SCORES = torch.randn(40, 5, generator=GENERATOR)
GOLD = torch.randint(0, 5, (40,), generator=GENERATOR)
MASK = torch.rand(40, generator=GENERATOR) > 0.25


def _measured(**arguments):
    measure = FBetaMeasure(**arguments)
    for part in (slice(0, 15), slice(15, 40)):
        measure(SCORES[part], GOLD[part], MASK[part])
    return measure.get_metric()


@pytest.mark.oracle
@pytest.mark.parametrize("average", [None, "micro", "macro", "weighted"])
@pytest.mark.parametrize("labels", [None, [3, 0]])
@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_against_scikit_learn(average, labels, beta):
    metrics = pytest.importorskip("sklearn.metrics")
    expected = metrics.precision_recall_fscore_support(
        GOLD[MASK].numpy(),
        SCORES[MASK].argmax(-1).numpy(),
        beta=beta,
        labels=list(range(5)) if labels is None else labels,
        average=average,
    )
    measured = _measured(beta=beta, average=average, labels=labels)
    for name, values in zip(("precision", "recall", "fscore"), expected, strict=False):
        assert measured[name] == pytest.approx(values if average else values.tolist())


def test_by_hand():
    measure = FBetaMeasure()
    measure(torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]]), torch.tensor([0, 1, 1, 2]))
    measured = measure.get_metric(reset=True)
    assert measured["precision"] == [0.5, 0.5, 0.0]
    assert measured["recall"] == [1.0, 0.5, 0.0]
    assert measured["fscore"] == pytest.approx([2 / 3, 0.5, 0.0])


def test_a_row_of_zeros_predicts_nothing():
    measure = FBetaMeasure(average="micro")
    measure(torch.tensor([[0.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
    assert measure.get_metric() == {"precision": 1.0, "recall": 0.5, "fscore": pytest.approx(2 / 3)}


def test_a_value_before_any_batch_is_an_error():
    with pytest.raises(RuntimeError, match="get_metric was called before"):
        FBetaMeasure().get_metric()


def test_bad_arguments():
    with pytest.raises(ConfigurationError, match="average: expected None or one of"):
        FBetaMeasure(average="mega")
    with pytest.raises(ConfigurationError, match="beta: expected a number above 0"):
        FBetaMeasure(beta=0.0)
    with pytest.raises(ConfigurationError, match="labels: expected at least one class id"):
        FBetaMeasure(labels=[])


def test_gold_outside_of_the_classes():
    with pytest.raises(ConfigurationError, match="outside of the 5 classes"):
        FBetaMeasure()(SCORES, GOLD + 1)


def test_counts_are_there_for_subclasses():
    class HardRecall(FBetaMeasure):
        def __call__(self, predictions, gold_labels, mask=None):
            super().__call__(predictions, gold_labels, mask)
            self._true_sum += 1  # as if each class had been missed once more

        def get_metric(self, reset=False):
            return (self._true_positive_sum / self._true_sum).tolist()

    measure = HardRecall()
    assert measure._true_sum is measure._pred_sum is measure._true_positive_sum is measure._total_sum is None
    measure(torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]]), torch.tensor([0, 1, 1, 2]))
    assert measure._pred_sum.tolist() == [2, 2, 0]
    assert measure._total_sum.tolist() == [4, 4, 4]
    assert measure.get_metric() == pytest.approx([1 / 2, 1 / 3, 0.0])


def test_a_state_of_version_0_1_resumes():
    measure, expected = FBetaMeasure(), FBetaMeasure()
    expected(SCORES, GOLD, MASK)
    columns = (expected._true_positive_sum, expected._pred_sum, expected._true_sum)
    measure.load_state_dict({"_counts": torch.stack(columns, dim=1)})
    assert measure.get_metric() == expected.get_metric()
    measure.load_state_dict({"_counts": torch.zeros((0, 3))})
    with pytest.raises(RuntimeError, match="get_metric was called before"):
        measure.get_metric()
