import pytest
import torch

from nlpreg.training.metrics import FBetaMeasure, FBetaVerboseMeasure

SCORES = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
GOLD = torch.tensor([0, 1, 1, 2, 2])


def test_each_class_and_each_average():
    verbose = FBetaVerboseMeasure(index_to_label={0: "A", 2: "Ö"})
    verbose(SCORES, GOLD)
    measured = verbose.get_metric()
    plain = FBetaMeasure()
    plain(SCORES, GOLD)
    for kind, values in plain.get_metric().items():
        for name, value in zip(("A", "1", "Ö"), values, strict=True):
            assert measured[f"{name}-{kind}"] == pytest.approx(value)
    for average in ("micro", "macro", "weighted"):
        averaged = FBetaMeasure(average=average)
        averaged(SCORES, GOLD)
        for kind, value in averaged.get_metric().items():
            assert measured[f"{average}-{kind}"] == pytest.approx(value)
    assert len(measured) == 18


def test_selected_classes_are_named_by_their_position():
    verbose = FBetaVerboseMeasure(labels=[2, 0], index_to_label={0: "C", 1: "A"})
    verbose(SCORES, GOLD)
    measured = verbose.get_metric(reset=True)
    assert measured["C-recall"] == 0.5
    assert measured["A-recall"] == 1.0
    assert len(measured) == 15
    unnamed = FBetaVerboseMeasure(labels=[2, 0])
    unnamed(SCORES, GOLD)
    assert unnamed.get_metric()["0-recall"] == 0.5
