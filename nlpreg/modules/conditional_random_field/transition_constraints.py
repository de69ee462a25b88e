"""Which label may follow which in the usual encodings of spans."""

from __future__ import annotations

from dataclasses import dataclass

from nlpreg.common.checks import ConfigurationError

_START = "START"
_END = "END"


@dataclass(frozen=True)
class _Encoding:
    """The rules of an encoding; every string is a set of one-letter tags.

    Attributes:
        first: tags that may begin a sentence.
        last: tags that may end one.
        free: pairs of sets; any of the first may be followed by any of the second.
        same_entity: likewise, if both belong to the same kind of entity.
    """

    first: str
    last: str
    free: tuple[tuple[str, str], ...]
    same_entity: tuple[tuple[str, str], ...]


_ENCODINGS = {
    "BIO": _Encoding("OB", "OBI", (("OBI", "OB"),), (("BI", "I"),)),
    "IOB1": _Encoding("OI", "OBI", (("OBI", "OI"),), (("BI", "B"),)),
    "BIOUL": _Encoding("OBU", "OLU", (("OLU", "OBU"),), (("BI", "IL"),)),
    "BMES": _Encoding("BS", "ES", (("ES", "BS"),), (("BM", "ME"),)),
}


def is_transition_allowed(
    constraint_type: str, from_tag: str, from_entity: str, to_tag: str, to_entity: str
) -> bool:
    """Whether one label may follow another.

    Args:
        constraint_type: "BIO", "IOB1", "BIOUL" or "BMES".
        from_tag: one letter such as "B", or "START".
        from_entity: the rest of the label, such as "-PER".
        to_tag: one letter such as "I", or "END".
        to_entity: the rest of the label.

    Raises:
        ConfigurationError: there is no such constraint type.
    """
    encoding = _ENCODINGS.get(constraint_type)
    if encoding is None:
        raise ConfigurationError(
            f"{constraint_type!r} is no known encoding of spans; choose one of {', '.join(_ENCODINGS)}"
        )
    if to_tag == _START or from_tag == _END:
        return False
    if from_tag == _START:
        return to_tag in encoding.first
    if to_tag == _END:
        return from_tag in encoding.last
    if any(from_tag in before and to_tag in after for before, after in encoding.free):
        return True
    return from_entity == to_entity and any(
        from_tag in before and to_tag in after for before, after in encoding.same_entity
    )


def allowed_transitions(constraint_type: str, labels: dict[int, str]) -> list[tuple[int, int]]:
    """All pairs of labels, as indices, of which the second may follow the first.

    Args:
        constraint_type: "BIO", "IOB1", "BIOUL" or "BMES".
        labels: label of each index, such as {0: "O", 1: "B-PER"}.

    Returns:
        Pairs of indices; `len(labels)` stands for the start of a sentence and `len(labels) + 1` for its end.

    Raises:
        ConfigurationError: there is no such constraint type.
    """
    parts = [(index, label[:1], label[1:]) for index, label in labels.items()]
    parts += [(len(labels), _START, ""), (len(labels) + 1, _END, "")]
    return [
        (from_index, to_index)
        for from_index, from_tag, from_entity in parts
        for to_index, to_tag, to_entity in parts
        if is_transition_allowed(constraint_type, from_tag, from_entity, to_tag, to_entity)
    ]
