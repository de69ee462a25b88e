import pytest
import torch

from nlpreg.training.metrics import AttachmentScores

HEADS = torch.tensor([[0, 1, 3, 5, 2, 4], [0, 3, 2, 1, 0, 0]])
LABELS = torch.tensor([[0, 5, 2, 1, 4, 2], [0, 4, 8, 2, 0, 0]])
GOLD_HEADS = torch.tensor([[0, 1, 3, 5, 2, 4], [0, 3, 2, 0, 0, 0]])
GOLD_LABELS = torch.tensor([[0, 5, 2, 1, 4, 7], [0, 4, 8, 2, 0, 0]])
MASK = torch.tensor([[True] * 6, [True, True, True, True, False, False]])


def test_shares_of_words_and_sentences():
    scores = AttachmentScores()
    scores(HEADS, LABELS, GOLD_HEADS, GOLD_LABELS, MASK)
    assert scores.get_metric(reset=True) == {
        "UAS": pytest.approx(9 / 10),
        "LAS": pytest.approx(8 / 10),
        "UEM": 0.5,
        "LEM": 0.0,
    }
    assert scores.get_metric() == {"UAS": 0.0, "LAS": 0.0, "UEM": 0.0, "LEM": 0.0}


def test_ignored_labels_are_left_out():
    scores = AttachmentScores(ignore_classes=[7, 4])
    scores(HEADS, LABELS, GOLD_HEADS, GOLD_LABELS, MASK)
    assert scores.get_metric() == {
        "UAS": pytest.approx(6 / 7),
        "LAS": pytest.approx(6 / 7),
        "UEM": 0.5,
        "LEM": 0.5,
    }


def test_without_a_mask_all_words_count():
    scores = AttachmentScores()
    scores(HEADS, LABELS, GOLD_HEADS, GOLD_LABELS)
    assert scores.get_metric()["UAS"] == pytest.approx(11 / 12)
