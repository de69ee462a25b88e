from pathlib import Path

from nlpreg.common.jsonnet_source import JsonnetSource


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
