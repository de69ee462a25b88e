import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.models.tagging import add_words, check_widths, given_encoding, tag_names, without_outside_tags


@pytest.mark.parametrize(
    "wanted,encoding,result",
    [
        (None, None, False),
        (None, "BIO", True),
        (False, "BIO", False),
        (True, "BIO", True),
        (False, None, False),
    ],
)
def test_what_an_encoding_switches_on(wanted, encoding, result):
    assert given_encoding(wanted, encoding, "calculate_span_f1") is result


def test_what_needs_an_encoding():
    with pytest.raises(ConfigurationError, match="model.calculate_span_f1 needs model.label_encoding"):
        given_encoding(True, None, "calculate_span_f1")


def test_neighbours_have_to_fit():
    check_widths("embedder", 3, "encoder", 3)
    with pytest.raises(
        ConfigurationError, match="output of embedder has width 3, the input of encoder has width 4"
    ):
        check_widths("embedder", 3, "encoder", 4)


def test_outside_tags_leave_the_mask(tag_vocab):
    mask = torch.tensor([[True, True, True, False]])
    tags = torch.tensor([[0, 1, 0, 1]])
    assert without_outside_tags(mask, tags, tag_vocab, "labels").tolist() == [[False, True, False, False]]


def test_names_and_words(tag_vocab):
    assert tag_names([[0, 1], []], tag_vocab, "labels") == [["O", "B-PER"], []]
    output = {}
    add_words(output, None)
    assert output == {}
    add_words(output, [{"words": ["é"]}, {"words": []}])
    assert output == {"words": [["é"], []]}
