import random

import pytest
import torch

from nlpreg.data.dataset_readers.dataset_utils import span_utils
from nlpreg.data.dataset_readers.dataset_utils.span_utils import InvalidTagSequence
from nlpreg.training.metrics.tag_spans import count_spans, find_spans, span_label, tag_table

FUNCTIONS = {
    "BIO": (span_utils.bio_tags_to_spans, "BI"),
    "IOB1": (span_utils.iob1_tags_to_spans, "BI"),
    "BIOUL": (span_utils.bioul_tags_to_spans, "BIUL"),
    "BMES": (span_utils.bmes_tags_to_spans, "BMES"),
}


def _found(tags, encoding, padding=2):
    """The spans of one sentence by the batched code, and whether it is called ill-formed."""
    names = sorted(set(tags)) or ["O"]
    labels = sorted({span_label(tag) for tag in names})
    table = tag_table(dict(enumerate(names)), encoding, {label: index for index, label in enumerate(labels)})
    ids = torch.tensor([[names.index(tag) for tag in tags] + [0] * padding], dtype=torch.long)
    spans = find_spans(ids, torch.tensor([len(tags)]), table, encoding)
    ends = spans.ends[0].nonzero().flatten().tolist()
    found = [(labels[spans.labels[0, end]], (int(spans.starts[0, end]), end)) for end in ends]
    return found, bool(spans.ill_formed)


@pytest.mark.parametrize("encoding", FUNCTIONS)
@pytest.mark.parametrize("types", [["X"], ["X", "Y"], ["", "É"]])
def test_like_the_function_for_one_sentence(encoding, types):
    function, letters = FUNCTIONS[encoding]
    tags = ["O"] + [f"{letter}-{name}" if name else letter for letter in letters for name in types]
    chance = random.Random(0)
    num_valid = 0
    for _ in range(400):
        sentence = chance.choices(tags, k=chance.randrange(7))
        found, ill_formed = _found(sentence, encoding)
        try:
            expected = function(sentence)
        except InvalidTagSequence:
            assert ill_formed, sentence
        else:
            num_valid += 1
            assert not ill_formed, sentence
            assert found == expected
    assert num_valid > 50


@pytest.mark.parametrize("encoding", FUNCTIONS)
def test_unknown_letters(encoding):
    assert _found(["O", "Q-X"], encoding)[1]


@pytest.mark.parametrize("encoding", FUNCTIONS)
def test_no_words_at_all(encoding):
    assert _found([], encoding) == ([], False)
    assert _found([], encoding, padding=0) == ([], False)


def test_ids_without_a_tag_are_unknown():
    table = tag_table({0: "O"}, "BIO", {"": 0})
    assert find_spans(torch.tensor([[0, 5]]), torch.tensor([2]), table, "BIO").ill_formed.item()
    assert not find_spans(torch.tensor([[0, 5]]), torch.tensor([1]), table, "BIO").ill_formed.item()


def test_right_wrong_and_missed_spans():
    tags = ["O", "B-X", "I-X", "B-Y", "I-Y"]
    table = tag_table(dict(enumerate(tags)), "BIO", {"": 0, "X": 1, "Y": 2})
    lengths = torch.tensor([4, 2])
    predicted = find_spans(torch.tensor([[1, 2, 3, 4], [1, 2, 1, 1]]), lengths, table, "BIO")
    gold = find_spans(torch.tensor([[1, 2, 3, 0], [3, 4, 0, 0]]), lengths, table, "BIO")
    assert count_spans(predicted, gold, 3).tolist() == [[0, 0, 0], [1, 1, 0], [0, 1, 2]]
