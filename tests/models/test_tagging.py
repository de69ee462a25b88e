import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.models.model import Model
from nlpreg.models.tagging import (
    add_words,
    check_chain,
    check_widths,
    given_encoding,
    labelled_sentences,
    labelled_words,
    spans_of,
    tag_names,
    tags_of_span,
    without_outside_tags,
)
from nlpreg.modules import FeedForward
from nlpreg.nn import Activation


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


def test_parts_of_a_chain_have_to_fit():
    first, second, third = (
        FeedForward(width, 1, width + 1, Activation.by_name("linear")()) for width in (2, 3, 4)
    )
    assert check_chain(first=first, missing=None, second=second, third=third) == 5
    with pytest.raises(
        ConfigurationError, match="output of first has width 3, the input of third has width 4"
    ):
        check_chain(first=first, third=third)


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


def test_words_and_sentences_with_known_tags():
    mask = torch.tensor([[True, True], [True, False], [True, True]])
    tags = torch.tensor([[1, -1], [0, -1], [2, 2]])
    assert labelled_words(mask, tags).tolist() == [[True, False], [True, False], [True, True]]
    assert labelled_sentences(mask, tags).tolist() == [[False, False], [True, False], [True, True]]


@pytest.mark.parametrize(
    ("encoding", "tags", "spans"),
    [
        ("BIO", "B-X I-X I-Y O B-X", [("X", 0, 1), ("Y", 2, 2), ("X", 4, 4)]),
        ("IOB1", "I-X I-X B-X O I-Y", [("X", 0, 1), ("X", 2, 2), ("Y", 4, 4)]),
        ("BIOUL", "B-X I-X L-X U-Y L-X O B-X L-Y", [("X", 0, 2), ("Y", 3, 3)]),
        ("BIOUL", "B-X I-Y L-X B-X B-X L-X", [("X", 4, 5)]),
        ("BMES", "B-X E-X S-Y", [("X", 0, 1), ("Y", 2, 2)]),
        ("BIO", "", []),
    ],
)
def test_spans(encoding, tags, spans):
    assert sorted(spans_of(tags.split(), encoding), key=lambda span: span[1]) == spans


def test_tags_of_a_span():
    def allowed(encoding, span, names):
        tags = dict(enumerate(names.split()))
        return [
            [" ".join(tags[index] for index in row.nonzero().flatten().tolist()) for row in alternative]
            for alternative in tags_of_span(span, 4, encoding, tags)
        ]

    bio = "O B-X I-X B-Y"
    assert allowed("BIO", ("X", 1, 2), bio) == [
        [bio, "B-X", "I-X", "O B-X B-Y"],
        ["O B-Y", "I-X", "I-X", "O B-X B-Y"],
    ]
    assert allowed("IOB1", ("X", 0, 3), bio) == [["B-X", *["I-X"] * 3], ["I-X"] * 4]
    bioul = "O B-X I-X L-X U-X"
    assert allowed("BIOUL", ("X", 0, 2), bioul) == [["B-X", "I-X", "L-X", bioul]]
    assert allowed("BIOUL", ("X", 1, 1), bioul) == [[bioul, "U-X", bioul, bioul]]
    bmes = "B-X M-X E-X S-X"
    assert allowed("BMES", ("X", 2, 3), bmes) == [[bmes, bmes, "B-X", "E-X"]]


@pytest.mark.parametrize("model", ["hmm_tagger", "tnt_tagger"])
def test_models_of_counts_need_every_tag(model, tag_vocab, tokens, tags):
    tagger = Model.from_params(Params({"type": model}), vocab=tag_vocab)
    metadata = [{"words": ["w"] * length} for length in (4, 2, 1)]
    with pytest.raises(ConfigurationError, match="tags of some words are not known.*use a crf_tagger"):
        tagger(tokens, tags.masked_fill(tags == 3, -1), metadata)
