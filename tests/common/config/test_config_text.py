from pathlib import Path

import pytest

from nlpreg.common.config.config_text import ConfigText


def config(tmp_path: Path, text: str, name: str = "c.jsonnet") -> ConfigText:
    path = tmp_path / name
    path.write_text(text)
    return ConfigText(str(path))


def text_of(config: ConfigText) -> str:
    return config.texts[config.path]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{ a: 1, b: 2 }", "{ b: 2 }"),
        ("{ b: 2, a: 1 }", "{ b: 2 }"),
        ("{ a: 1 }", "{ }"),
        ("{\n  a: 1,  // why\n  b: 2,\n}", "{\n  b: 2,\n}"),
        ("{\n  b: 2,\n  a: { x: [1,\n 2] },\n}", "{\n  b: 2,\n}"),
        ("{\n  b: 2,\n  a: 1\n}", "{\n  b: 2\n}"),
        ('{"a": 1,"b": 2}', '{"b": 2}'),
    ],
)
def test_removing_a_key(before: str, after: str, tmp_path: Path) -> None:
    edited = config(tmp_path, before)
    edited.remove(edited.at("")[0], "a")
    assert text_of(edited) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", "{ new: 3 }"),
        ("{ a: 1 }", "{ a: 1, new: 3 }"),
        ("{ a: 1, }", "{ a: 1, new: 3, }"),
        ("{\n  a: 1,\n}", "{\n  a: 1,\n  new: 3,\n}"),
        ("{\n    a: 1\n}", "{\n    a: 1,\n    new: 3\n}"),
        ('{\n  "a": 1\n}', '{\n  "a": 1,\n  "new": 3\n}'),
    ],
)
def test_adding_a_key(before: str, after: str, tmp_path: Path) -> None:
    edited = config(tmp_path, before)
    edited.insert(edited.at("")[0], "new", "3")
    assert text_of(edited) == after


def test_renaming_and_replacing(tmp_path: Path) -> None:
    edited = config(tmp_path, "local x = { a: { b: 1 /* one */ } }; x { c: $.a }")
    edited.rename(edited.at("a")[0], "b", "with space")
    edited.replace(edited.at("")[1], "c", "[1]")
    edited.append(edited.at("c")[0], "2")
    assert text_of(edited) == "local x = { a: { 'with space': 1 /* one */ } }; x { c: [1, 2] }"


def test_values_that_the_text_alone_tells(tmp_path: Path) -> None:
    section = config(tmp_path, "local x = 1; { a: 'b', c: [1, { d: 2 + 3 }], e: x, f: std.extVar('F') }").at(
        ""
    )[0]
    assert section.value("a") == "b"
    assert section.value("c") == [1, {"d": 5}]
    assert (
        section.value("e", "unknown")
        == section.value("f", "unknown")
        == section.value("g", "unknown")
        == "unknown"
    )


def test_sections_with_their_places(tmp_path: Path) -> None:
    text = config(tmp_path, "{\n a: { b: [{}] },\n c: $.a }")
    places = [(section.path, text.place(section).rpartition("/")[2]) for section in text.all_sections()]
    assert places == [
        ("", "c.jsonnet:1"),
        ("a", "c.jsonnet:2"),
        ("a.b", "c.jsonnet:2"),
        ("a.b.0", "c.jsonnet:2"),
    ]


def test_what_is_not_understood(tmp_path: Path) -> None:
    assert not config(tmp_path, "{ a").is_understood


def test_places_are_those_of_the_file_before_any_edit(tmp_path: Path) -> None:
    text = config(tmp_path, "{\n  a: 1,\n  b: {\n    c: 2,\n  },\n}")
    text.remove(text.at("")[0], "a")
    text.insert(text.at("b")[0], "d", "3")
    assert text.place(text.at("b")[0]).endswith("c.jsonnet:3")
    assert text.place(text.at("b")[0], "c").endswith("c.jsonnet:4")


def test_sections_read_before_an_edit_can_be_edited_and_located(tmp_path: Path) -> None:
    text = config(tmp_path, "{\n  a: 1,\n  b: {\n    c: 2,\n    d: 3,\n  },\n}")
    (top,), (inner,) = text.at(""), text.at("b")
    text.remove(top, "a")
    text.insert(top, "first", "[0, 1]")
    text.replace(inner, "c", "{ long: 'value' }")
    text.remove(inner, "d")
    text.rename(inner, "c", "e")
    assert text_of(text) == "{\n  b: {\n    e: { long: 'value' },\n  },\n  first: [0, 1],\n}"
    assert [text.place(inner, name)[-1] for name in ("c", "d")] == ["4", "5"]
    text.replace_section(inner, "0")
    assert text_of(text) == "{\n  b: 0,\n  first: [0, 1],\n}"
