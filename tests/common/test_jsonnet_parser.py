import pytest

from nlpreg.common.jsonnet_parser import ObjectParser
from nlpreg.common.jsonnet_tokens import UnreadableJsonnet

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
