import itertools
import re

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers.dataset_utils.span_utils import (
    InvalidTagSequence,
    bio_tags_to_spans,
    bioul_tags_to_spans,
    bmes_tags_to_spans,
    enumerate_spans,
    iob1_tags_to_spans,
    iob1_to_bioul,
    to_bioul,
)


def write_down(spans, length, scheme):
    """Tags for spans, straight from the definition of each scheme."""
    tags = ["O"] * length
    for type_, (first, last) in spans:
        for i in range(first, last + 1):
            if scheme == "BIO":
                letter = "B" if i == first else "I"
            elif scheme == "IOB1":
                touches = i == first and i > 0 and any(t == type_ and end == i - 1 for t, (_, end) in spans)
                letter = "B" if touches else "I"
            else:
                single, begin, inner, end = scheme
                letter = single if first == last else begin if i == first else end if i == last else inner
            tags[i] = f"{letter}-{type_}"
    return tags


def all_spans(length):
    """Every way to place up to two spans of two types in a short sentence."""
    places = [(i, j) for i in range(length) for j in range(i, length)]
    yield []
    for place in places:
        yield [("PER", place)]
    for one, two in itertools.product(places, places):
        if one[1] < two[0]:
            for types in itertools.product(("PER", "LOC"), repeat=2):
                yield list(zip(types, (one, two), strict=True))


SCHEMES = {
    "BIO": bio_tags_to_spans,
    "IOB1": iob1_tags_to_spans,
    "UBIL": bioul_tags_to_spans,
    "SBME": bmes_tags_to_spans,
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_spans_come_back_from_every_scheme(scheme):
    for spans in all_spans(4):
        tags = write_down(spans, 4, scheme)
        assert SCHEMES[scheme](tags) == spans, tags
        assert SCHEMES[scheme](tags, ["PER"]) == [span for span in spans if span[0] != "PER"]


@pytest.mark.parametrize("encoding", ["BIO", "IOB1"])
def test_conversion_keeps_the_spans(encoding):
    for spans in all_spans(4):
        tags = write_down(spans, 4, encoding)
        assert to_bioul(tags, encoding) == write_down(spans, 4, "UBIL"), tags


@pytest.mark.parametrize("encoding", ["BIO", "IOB1"])
def test_conversion_of_partly_known_tags_keeps_what_every_completion_has(encoding):
    known = ["O", "B-X", "I-X", "B-Y", "I-Y"]
    for tags in itertools.product([*known, "?"], repeat=4):
        converted = []
        for filling in itertools.product(known, repeat=tags.count("?")):
            rest = iter(filling)
            try:
                converted.append(to_bioul([next(rest) if tag == "?" else tag for tag in tags], encoding))
            except InvalidTagSequence:  # no completion
                continue
        if not converted:
            with pytest.raises(InvalidTagSequence, match="I-"):
                to_bioul(list(tags), encoding, unknown_tag="?")
            continue
        possible = map(set, zip(*converted, strict=True))
        expected = [
            "?" if tag == "?" or len(found) > 1 else found.pop()
            for tag, found in zip(tags, possible, strict=True)
        ]
        result = to_bioul(list(tags), encoding, unknown_tag="?")
        # an unknown BIO tag between two spans is narrowed down by both, and only one neighbour is looked at
        if encoding == "BIO" and re.search(r"[XYO]\?I", "".join(tags)):
            assert all(one in ("?", sure) for one, sure in zip(result, expected, strict=True)), tags
        else:
            assert result == expected, tags


def test_same_spans_as_seqeval():
    seqeval = pytest.importorskip("seqeval.metrics.sequence_labeling")
    for tags in itertools.product(["O", "B-X", "I-X", "B-Y", "I-Y"], repeat=4):
        expected = [(type_, (first, last)) for type_, first, last in seqeval.get_entities(list(tags))]
        assert bio_tags_to_spans(list(tags)) == expected, tags


def test_ill_formed_bio_is_read_leniently():
    assert bio_tags_to_spans(["I-A", "I-B", "O", "I-B", "B-B"]) == [
        ("A", (0, 0)),
        ("B", (1, 1)),
        ("B", (3, 3)),
        ("B", (4, 4)),
    ]
    assert bio_tags_to_spans(["B", "I", "O"]) == [("", (0, 1))]
    assert bio_tags_to_spans([]) == []
    assert bio_tags_to_spans(["B-A-B", "I-A-B"]) == [("A-B", (0, 1))]


@pytest.mark.parametrize(
    "convert", [bio_tags_to_spans, iob1_tags_to_spans, bmes_tags_to_spans, bioul_tags_to_spans]
)
def test_unknown_letters_are_refused(convert):
    for tag in ("X-PER", "", "PER"):
        with pytest.raises(InvalidTagSequence, match=f"O {tag}"):
            convert(["O", tag])


@pytest.mark.parametrize(
    "tags",
    [
        ["B-A"],
        ["B-A", "O"],
        ["I-A"],
        ["L-A"],
        ["B-A", "B-A", "L-A"],
        ["B-A", "U-A"],
        ["B-A", "L-B"],
        ["B-A", "I-B", "L-A"],
    ],
)
def test_bioul_is_strict(tags):
    with pytest.raises(InvalidTagSequence, match=tags[0]):
        bioul_tags_to_spans(tags)


def test_bmes_is_lenient():
    assert bmes_tags_to_spans(["M-A", "E-A", "B-B", "E-A", "S-A", "O", "E-C"]) == [
        ("A", (0, 1)),
        ("B", (2, 2)),
        ("A", (3, 3)),
        ("A", (4, 4)),
        ("C", (6, 6)),
    ]


def test_conversion_errors():
    with pytest.raises(InvalidTagSequence, match="O I-A"):
        to_bioul(["O", "I-A"], encoding="BIO")
    with pytest.raises(InvalidTagSequence, match="B-B I-A"):
        to_bioul(["B-B", "I-A"], encoding="BIO")
    assert to_bioul(["O", "I-A"], encoding="IOB1") == ["O", "U-A"]
    with pytest.raises(InvalidTagSequence, match="U-A"):
        to_bioul(["U-A"])
    with pytest.raises(ConfigurationError, match="expected the encoding IOB1 or BIO, got 'BMES'"):
        to_bioul([], encoding="BMES")
    with pytest.warns(FutureWarning, match="to_bioul"):
        assert iob1_to_bioul(["I-A"]) == ["U-A"]


def test_enumerate_spans():
    words = ["a", "b", "c", "d"]
    brute = [(i, j) for i in range(4) for j in range(4) if i <= j]
    assert enumerate_spans(words) == brute
    assert enumerate_spans(words, offset=10) == [(i + 10, j + 10) for i, j in brute]
    assert enumerate_spans(words, max_span_width=2, min_span_width=2) == [(0, 1), (1, 2), (2, 3)]
    assert enumerate_spans(words, filter_function=lambda span: span == ["b", "c"]) == [(1, 2)]
    assert enumerate_spans([]) == []
