import pytest

from nlpreg.common.jsonnet_tokens import UnreadableJsonnet, tokenize


def values(text: str) -> list[tuple[str, str]]:
    return [(token.kind, token.value) for token in tokenize(text)][:-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", [("name", "a"), ("operator", ":"), ("number", "1")]),
        ("1.5e-3", [("number", "1.5e-3")]),
        ('"a\\"b"', [("string", 'a"b')]),
        ("'it\\'s'", [("string", "it's")]),
        ("'\\u00e4\\n'", [("string", "ä\n")]),
        ("@'c:\\x''y'", [("string", "c:\\x'y")]),
        ("|||\n  text { }\n|||", [("string", "|||\n  text { }\n|||")]),
        ("a // no: key\n# nor: here\n/* nor\n: here */ b", [("name", "a"), ("name", "b")]),
        ("a::: b", [("name", "a"), ("operator", ":::"), ("name", "b")]),
        ("", []),
    ],
)
def test_tokens(text: str, expected: list[tuple[str, str]]) -> None:
    assert values(text) == expected


def test_places() -> None:
    tokens = list(tokenize("{\n  ä: 1,\n}".replace("ä", "'ä'")))
    assert [(token.text, token.line, token.start) for token in tokens] == [
        ("{", 1, 0),
        ("'ä'", 2, 4),
        (":", 2, 7),
        ("1", 2, 9),
        (",", 2, 10),
        ("}", 3, 12),
        ("", 3, 13),
    ]


@pytest.mark.parametrize("text", ["'open", "ä", "`"])
def test_what_is_no_jsonnet(text: str) -> None:
    with pytest.raises(UnreadableJsonnet, match="line 1"):
        list(tokenize(text))
