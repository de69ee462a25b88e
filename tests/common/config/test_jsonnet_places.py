from pathlib import Path

import pytest

from nlpreg.common.config.jsonnet_places import JsonnetSource, ObjectParser, UnreadableJsonnet, tokenize


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


TEXT = "{ a: 1 + 2,\n  'b': [x, { c: null }],\n} // end"


def test_keys_and_the_places_of_their_values() -> None:
    root = ObjectParser().parse(TEXT)
    assert (root.kind, TEXT[root.start : root.end]) == ("object", TEXT[:-7])
    first, second = root.keys
    assert (first.name, first.line, TEXT[first.start : first.end]) == ("a", 1, "1 + 2")
    assert (second.name, second.line, TEXT[second.start : second.end]) == ("b", 2, "[x, { c: null }]")
    items = second.value.keys
    assert [(item.name, TEXT[item.start : item.end]) for item in items] == [("0", "x"), ("1", "{ c: null }")]


@pytest.mark.parametrize(
    "text",
    [
        "{ a: 1, b: 2, a: 3 }",
        "{ a: 1 } + { x: { a: 1, 'a': 2 } }",
        "f({ a: 1, a: 2 })",
        "local o = { a: 1, a: 1 }; o",
    ],
)
def test_keys_given_twice(text: str) -> None:
    parser = ObjectParser()
    parser.parse(text)
    assert [(first.name, second.name) for first, second in parser.duplicates] == [("a", "a")]


def test_a_conditional_key() -> None:
    parser = ObjectParser()
    text = "{ [if a then 'x']: { b: 1 }, [if !a then 'x']: 2, ['y' + 'z']: 3, [if a then 'u' else 'v']: 4 }"
    assert [key.name for key in parser.parse(text).keys] == ["x", "x"]
    assert parser.duplicates == []


def test_variables_and_imports() -> None:
    parser = ObjectParser()
    parser.parse(
        "local l = import 'x.libsonnet'; { a: std.extVar('A') + l.b, c: importstr 'y', d: std.extVar(l.n) }"
    )
    assert [token.value for token in parser.variables] == ["A"]
    assert parser.imports == ["x.libsonnet"]


@pytest.mark.parametrize(
    "text",
    [
        "{ local y = 1, [if x then 'a']: 1, b+: { c: 1 }, assert true : 'no', local z = 2, f(x):: x }",
        "[i * 2 for i in std.range(1, 3) if i > 1]",
        "{ [k]: 1 for k in ['a'] }",
        "local f(x, y=1) = x + y; f(1, y=2)",
        "if true then { a: 1 } else error 'no'",
        "(import 'a') { b: 1 }.c['d'][0]",
        "function(x) { a: x }",
        "!true || -1 < ~2 && 'a' in { a: 1 }",
        "std.map(function(x) x, [1,2,]) tailstrict",
    ],
)
def test_the_rest_of_the_language_is_skipped_over(text: str) -> None:
    ObjectParser().parse(text)


@pytest.mark.parametrize("text", ["{", "{ a }", "{ a: }", "[1", "1 2", "local x 1; 2"])
def test_what_is_not_understood(text: str) -> None:
    with pytest.raises((UnreadableJsonnet, IndexError), match="line|index"):
        ObjectParser().parse(text)


def test_a_text_can_stand_for_a_file(tmp_path: Path) -> None:
    lib = str(tmp_path / "lib.libsonnet")
    (tmp_path / "lib.libsonnet").write_text("{ old: 1 }")
    source = JsonnetSource.read("c.jsonnet", f"import '{lib}'", texts={lib: "{\n new: 1 }"})
    assert source.locate("new") == f"{lib}:2"
    assert source.locate("old") == ""


def test_files_that_import_each_other_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a.libsonnet").write_text("{ a: 1, b: import 'b.libsonnet' }")
    (tmp_path / "b.libsonnet").write_text("{ c: import 'a.libsonnet' }")
    source = JsonnetSource.read(str(tmp_path / "a.libsonnet"))
    assert source.locate("b.c.b.c.a").endswith("a.libsonnet:1")


def test_sections_that_make_up_a_value() -> None:
    text = "local base = { t: { a: 1 } };\nbase + { t+: { b: 2 } } + { t+: base.t { c: 3 } }"
    sections = JsonnetSource.read("c.jsonnet", text).sections("t")
    assert [[key.name for key in shape.keys] for _, shape in sections] == [["a"], ["b"], ["a"], ["c"]]


def test_a_text_that_is_not_understood() -> None:
    source = JsonnetSource.read("c.jsonnet", "{ a: ")
    assert source.root is None
    assert source.locate("a") == "" and source.sections("a") == []


def test_deep_nesting_is_no_trouble() -> None:
    text = "{a:" * 2000 + "1" + "}" * 2000
    assert JsonnetSource.read("c.jsonnet", text).locate("a") in ("", "c.jsonnet:1")
