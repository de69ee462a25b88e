"""Spans of a sentence, and the tag schemes that encode them word by word (BIO, IOB1, BIOUL, BMES)."""

import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

from nlpreg.common.checks import ConfigurationError

TypedSpan = tuple[int, tuple[int, int]]
TypedStringSpan = tuple[str, tuple[int, int]]

T = TypeVar("T")


class InvalidTagSequence(Exception):
    """Tags that do not follow their scheme.

    Args:
        tag_sequence: all tags of the sentence.
    """

    def __init__(self, tag_sequence: list[str] | None = None) -> None:
        super().__init__(tag_sequence)
        self.tag_sequence = tag_sequence

    def __str__(self) -> str:
        return " ".join(self.tag_sequence or [])


def enumerate_spans(
    sentence: Sequence[T],
    offset: int = 0,
    max_span_width: int | None = None,
    min_span_width: int = 1,
    filter_function: Callable[[Sequence[T]], bool] | None = None,
) -> list[tuple[int, int]]:
    """All spans of a sentence, ordered by their first and then by their last word.

    Args:
        sentence: the words.
        offset: number of the sentence's first word.
        max_span_width: most words of a span; no limit unless given.
        min_span_width: fewest words of a span.
        filter_function: takes the words of a span and says whether to keep it.

    Returns:
        The numbers of each span's first and last word.
    """
    length = len(sentence)
    widest = max_span_width or length
    return [
        (offset + start, offset + end)
        for start in range(length)
        for end in range(start + min_span_width - 1, min(start + widest, length))
        if filter_function is None or filter_function(sentence[start : end + 1])
    ]


def bio_tags_to_spans(
    tag_sequence: list[str], classes_to_ignore: list[str] | None = None
) -> list[TypedStringSpan]:
    """The spans encoded by BIO tags; an `I` that does not continue a span of its type begins one.

    Args:
        tag_sequence: `O`, or `B-` or `I-` and a type (`B` and `I` alone have the type "").
        classes_to_ignore: types of spans to ignore.

    Returns:
        (type, (first word, last word)) for each span, in order.

    Raises:
        InvalidTagSequence: a tag begins with another letter.
    """
    return _lenient_spans(tag_sequence, classes_to_ignore, {"B", "I", "O"}, {"I"}, {"B", "I"})


def iob1_tags_to_spans(
    tag_sequence: list[str], classes_to_ignore: list[str] | None = None
) -> list[TypedStringSpan]:
    """The spans encoded by IOB1 tags: `I` for every word, `B` only between two neighbours of one type.

    Arguments, result and errors are those of `bio_tags_to_spans`, whose lenient reading covers this scheme.
    """
    return bio_tags_to_spans(tag_sequence, classes_to_ignore)


def bioul_tags_to_spans(
    tag_sequence: list[str], classes_to_ignore: list[str] | None = None
) -> list[TypedStringSpan]:
    """The spans encoded by BIOUL tags: `B` first, `I` inner and `L` last word of a span, `U` a span of one word.

    Args:
        tag_sequence: `O`, or a letter, `-` and a type.
        classes_to_ignore: types of spans to ignore.

    Returns:
        (type, (first word, last word)) for each span, in order.

    Raises:
        InvalidTagSequence: another letter, a span that is not closed or changes its type, an `I` or `L` outside a span.
    """
    spans: list[tuple[str, int, int]] = []
    start: int | None = None
    open_type = ""
    for index, tag in enumerate(tag_sequence):
        letter, _, type_ = tag.partition("-")
        if letter in ("I", "L"):
            if start is None or type_ != open_type:
                raise InvalidTagSequence(tag_sequence)
            if letter == "L":
                spans.append((type_, start, index))
                start = None
        elif start is not None or letter not in ("B", "U", "O"):
            raise InvalidTagSequence(tag_sequence)
        elif letter == "B":
            start, open_type = index, type_
        elif letter == "U":
            spans.append((type_, index, index))
    if start is not None:
        raise InvalidTagSequence(tag_sequence)
    return _without(classes_to_ignore, spans)


def bmes_tags_to_spans(
    tag_sequence: list[str], classes_to_ignore: list[str] | None = None
) -> list[TypedStringSpan]:
    """The spans encoded by BMES tags: `B` first, `M` inner and `E` last word of a span, `S` a span of one word.

    A tag that continues no span begins one; `O` is outside of all spans.

    Args:
        tag_sequence: letter, `-` and type.
        classes_to_ignore: types of spans to ignore.

    Returns:
        (type, (first word, last word)) for each span, in order.

    Raises:
        InvalidTagSequence: a tag begins with another letter.
    """
    letters = {"B", "M", "E", "S", "O"}
    return _lenient_spans(tag_sequence, classes_to_ignore, letters, {"M", "E"}, {"B", "M"})


def _lenient_spans(
    tag_sequence: list[str],
    classes_to_ignore: list[str] | None,
    letters: set[str],
    continuing: set[str],
    open_after: set[str],
) -> list[TypedStringSpan]:
    """The spans encoded by tags, where a tag that does not continue a span of its type begins one.

    Args:
        tag_sequence: the tags.
        classes_to_ignore: types of spans to ignore.
        letters: all letters of the encoding.
        continuing: the letters of words that may continue a span.
        open_after: the letters of words after which a span may continue.
    """
    spans: list[tuple[str, int, int]] = []
    open_type: str | None = None
    for index, tag in enumerate(tag_sequence):
        letter, _, type_ = tag.partition("-")
        if letter not in letters:
            raise InvalidTagSequence(tag_sequence)
        if letter in continuing and type_ == open_type:
            spans[-1] = (type_, spans[-1][1], index)
        elif letter != "O":
            spans.append((type_, index, index))
        open_type = type_ if letter in open_after else None
    return _without(classes_to_ignore, spans)


_LETTERS = {"BIOUL": "UBIL", "BMES": "SBME"}
"""The letters of a span of one word, and of the first, inner and last word of a longer span."""


def well_formed_spans(
    tag_sequence: Sequence[str], label_encoding: str, classes_to_ignore: list[str] | None = None
) -> list[TypedStringSpan]:
    """The spans whose tags are exactly those of the encoding; other tags are outside of spans.

    Unlike this function, those for a single encoding are lenient: they read `O I-X` under BIO as a span.

    Args:
        tag_sequence: tags such as `B-PER`.
        label_encoding: "BIO", "IOB1", "BIOUL" or "BMES".
        classes_to_ignore: types of spans to ignore.

    Returns:
        The type, first and last word of each span.
    """
    single, begin, inside, last = tuple(_LETTERS.get(label_encoding, "?BI?"))
    found: list[tuple[str, int, int]] = []
    opened: tuple[str, int] | None = None  # type and first word
    ends_by_itself = label_encoding in _LETTERS
    before = ""
    for position, tag in enumerate([*tag_sequence, "O"]):
        letter, label = tag[:1], tag[2:]
        continues = opened is not None and opened[0] == label and letter in (inside, last)
        if opened is not None and not continues and not ends_by_itself:
            found.append((opened[0], opened[1], position - 1))
        if ends_by_itself:
            if letter == single:
                found.append((label, position, position))
            elif letter == last and continues and opened is not None:
                found.append((label, opened[1], position))
        starts = letter == begin
        if label_encoding == "IOB1":
            # a span begins with B only after another one of the same type, else with I
            follows_same = before[:1] in ("B", "I") and before[2:] == label
            starts = (letter == "I" and not continues) or (letter == "B" and follows_same)
        if starts and not (continues and letter == inside):
            opened = (label, position)
        elif not continues or letter == last:
            opened = None
        before = tag
    return _without(classes_to_ignore, found)


def to_bioul(tag_sequence: list[str], encoding: str = "IOB1", unknown_tag: str | None = None) -> list[str]:
    """Convert tags to BIOUL.

    Args:
        tag_sequence: tags in IOB1 or BIO.
        encoding: which of the two.
        unknown_tag: the tag of words whose tag is not known, which is kept. A known tag becomes unknown too if its letter in
            BIOUL depends on an unknown neighbour: `B-NP ?` may begin with `B-NP` or with `U-NP`.

    Raises:
        ConfigurationError: another encoding.
        InvalidTagSequence: a tag begins with another letter than B, I and O; or, under BIO, an `I` does not follow a tag of
            its type.
    """
    if encoding not in ("IOB1", "BIO"):
        raise ConfigurationError(f"expected the encoding IOB1 or BIO, got {encoding!r}")
    bioul = []
    neighbours = ["O", *tag_sequence, "O"]
    for previous, tag, following in zip(neighbours, tag_sequence, neighbours[2:], strict=False):
        if tag == unknown_tag:
            bioul.append(tag)
            continue
        letter = tag.partition("-")[0]
        if letter not in ("B", "I", "O"):
            raise InvalidTagSequence(tag_sequence)
        if letter == "O":
            bioul.append("O")
            continue
        suffix = tag[1:]  # with its hyphen, if it has one
        continues = letter == "I" and previous in ("B" + suffix, "I" + suffix)
        if letter == "I" and encoding == "BIO" and not continues:
            if previous != unknown_tag:
                raise InvalidTagSequence(tag_sequence)
            continues = True  # in BIO an `I` is always inside a span, whatever the unknown tag before it is
        ends = following != "I" + suffix
        if following == unknown_tag or (previous == unknown_tag and letter == "I" and encoding == "IOB1"):
            bioul.append(following if following == unknown_tag else previous)
        elif continues:
            bioul.append(("L" if ends else "I") + suffix)
        else:
            bioul.append(("U" if ends else "B") + suffix)
    return bioul


def iob1_to_bioul(tag_sequence: list[str]) -> list[str]:
    """Old name of `to_bioul`."""
    warnings.warn("iob1_to_bioul has been replaced by to_bioul", FutureWarning, stacklevel=2)
    return to_bioul(tag_sequence)


def _without(ignored: list[str] | None, spans: list[tuple[str, int, int]]) -> list[TypedStringSpan]:
    return [(type_, (first, last)) for type_, first, last in spans if type_ not in (ignored or ())]
