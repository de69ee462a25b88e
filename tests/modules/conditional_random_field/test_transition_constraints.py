import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.conditional_random_field import allowed_transitions, is_transition_allowed

# For each encoding: what may start a sentence, what may end one, and what may follow what.
BIO = {
    "O": {"O", "B-X", "B-Y"},
    "B-X": {"O", "B-X", "B-Y", "I-X"},
    "I-X": {"O", "B-X", "B-Y", "I-X"},
    "B-Y": {"O", "B-X", "B-Y", "I-Y"},
    "I-Y": {"O", "B-X", "B-Y", "I-Y"},
}
IOB1 = {
    "O": {"O", "I-X", "I-Y"},
    "B-X": {"O", "I-X", "I-Y", "B-X"},
    "I-X": {"O", "I-X", "I-Y", "B-X"},
    "B-Y": {"O", "I-X", "I-Y", "B-Y"},
    "I-Y": {"O", "I-X", "I-Y", "B-Y"},
}
BIOUL_OUT = {"O", "B-X", "U-X", "B-Y", "U-Y"}
BIOUL = {
    **dict.fromkeys(("O", "L-X", "U-X", "L-Y", "U-Y"), BIOUL_OUT),
    **{tag: {"I-X", "L-X"} for tag in ("B-X", "I-X")},
    **{tag: {"I-Y", "L-Y"} for tag in ("B-Y", "I-Y")},
}
BMES_OUT = {"B-X", "S-X", "B-Y", "S-Y"}
BMES = {
    **dict.fromkeys(("E-X", "S-X", "E-Y", "S-Y"), BMES_OUT),
    **{tag: {"M-X", "E-X"} for tag in ("B-X", "M-X")},
    **{tag: {"M-Y", "E-Y"} for tag in ("B-Y", "M-Y")},
}


@pytest.mark.parametrize(
    ("encoding", "following", "first", "last"),
    [
        ("BIO", BIO, "OB", "OBI"),
        ("IOB1", IOB1, "OI", "OBI"),
        ("BIOUL", BIOUL, "OBU", "OLU"),
        ("BMES", BMES, "BS", "ES"),
    ],
)
def test_tables(encoding: str, following: dict[str, set[str]], first: str, last: str) -> None:
    labels = sorted(following)
    start, end = len(labels), len(labels) + 1
    expected = {(labels.index(a), labels.index(b)) for a, after in following.items() for b in after}
    expected |= {(start, i) for i, label in enumerate(labels) if label[0] in first}
    expected |= {(i, end) for i, label in enumerate(labels) if label[0] in last}
    found = allowed_transitions(encoding, dict(enumerate(labels)))
    assert set(found) == expected
    assert len(found) == len(expected)


def test_entities_may_contain_dashes() -> None:
    assert is_transition_allowed("BIO", "B", "-A-B", "I", "-A-B")
    assert not is_transition_allowed("BIO", "B", "-A-B", "I", "-A")


def test_unknown_encoding() -> None:
    with pytest.raises(ConfigurationError, match="'BOI' is no known encoding"):
        allowed_transitions("BOI", {0: "O"})
