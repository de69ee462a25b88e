from pathlib import Path

import pytest

from nlpreg.common.config.config_file import ConfigFile
from nlpreg.common.config.problems import Problem

TEXT = """
local dim = 4;
local reader = { type: 'sequence_tagging', foo: { bar: 1 } };  // a comment { not: a key }
local lib = import 'lib.libsonnet';
{
  dataset_reader: reader + { baz: 3 },
  "train_data_path": 'x',
  model: {
    type: 'simple_tagger',
    layers: [
      { a: 1 },
      { b: if dim > 3 then 2 else 3 },
    ],
  },
  copy: $.model { extra: 1 },
  chosen: self.model.layers[0],
  from_lib: lib.part,
  whole: (import 'lib.libsonnet') { more: 1 },
  [if dim > 3 then 'conditional']: true,
  computed: std.map(function(x) { c: x }, [1, 2]),
  list: [x for x in [1, 2]],
  text: |||
    { not_a_key: 1 }
  |||,
}
"""


@pytest.fixture
def config(tmp_path: Path) -> ConfigFile:
    (tmp_path / "lib.libsonnet").write_text("{\n  part: {\n    deep: 1,\n  },\n}")
    (tmp_path / "c.jsonnet").write_text(TEXT)
    return ConfigFile.read(tmp_path / "c.jsonnet")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("dataset_reader.foo.bar", "c.jsonnet:3"),
        ("dataset_reader.baz", "c.jsonnet:6"),
        ("train_data_path", "c.jsonnet:7"),
        ("model.layers.1.b", "c.jsonnet:12"),
        ("model.nothing", "c.jsonnet:8"),
        ("copy.extra", "c.jsonnet:15"),
        ("copy.layers.0.a", "c.jsonnet:11"),
        ("chosen.a", "c.jsonnet:11"),
        ("from_lib.deep", "lib.libsonnet:3"),
        ("whole.part.deep", "lib.libsonnet:3"),
        ("whole.more", "c.jsonnet:18"),
        ("computed.1.c", "c.jsonnet:20"),
        ("conditional", "c.jsonnet:19"),
        ("", ""),
    ],
)
def test_places_of_keys(config: ConfigFile, path: str, place: str) -> None:
    found = config.located(Problem(path, "wrong")).location
    assert found.rpartition("/")[2] == place
    assert config.problems == []


def test_the_value_is_that_of_jsonnet(config: ConfigFile) -> None:
    assert config.config is not None
    assert config.config["copy"]["extra"] == 1
    assert config.config["computed"] == [{"c": 1}, {"c": 2}]


def test_unset_variables_and_repeated_keys_do_not_hide_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonnet"
    path.write_text(
        "{\n a: std.extVar('NLPREG_UNSET_1') + '/x',\n b: { c: 1,\n  c: 2 },\n"
        " d: std.parseInt(std.extVar('NLPREG_UNSET_2')),\n e: std.extVar('NLPREG_' + 'UNSET_3'),\n}"
    )
    file = ConfigFile.read(path)
    found = [(problem.path, problem.location.rpartition(":")[2]) for problem in file.problems]
    assert ("b.c", "4") in found
    assert ("std.extVar('NLPREG_UNSET_1')", "2") in found
    assert ("std.extVar('NLPREG_UNSET_2')", "5") in found
    assert any(path == "std.extVar('NLPREG_UNSET_3')" for path, _ in found)
    assert file.config is not None and file.config["b"] == {"c": 1}


def test_a_repeated_key_in_an_imported_file(tmp_path: Path) -> None:
    (tmp_path / "lib.libsonnet").write_text("{ x: { y: 1,\n y: 2 } }")
    (tmp_path / "c.jsonnet").write_text("{ model: import 'lib.libsonnet' }")
    (problem,) = ConfigFile.read(tmp_path / "c.jsonnet").problems
    assert problem.path == "model.x.y" and problem.location.endswith("lib.libsonnet:2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ a: ", "not valid Jsonnet"),
        ("{ a: 1 b: 2 }", "not valid Jsonnet"),
        ("{ a: nobody }", "nobody"),
        ("{ a: import 'missing.libsonnet' }", "missing.libsonnet"),
        ("{ a: error 'told you' }", "told you"),
        ("[1]", "expected an object"),
        ("", "not valid Jsonnet"),
    ],
)
def test_text_that_cannot_be_evaluated(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.jsonnet").write_text(text)
    file = ConfigFile.read(tmp_path / "c.jsonnet")
    assert file.config is None
    assert message in file.problems[0].message


def test_problems_of_overridden_keys_are_placed_in_the_overrides(config: ConfigFile) -> None:
    file = ConfigFile.read(config.path, '{"model.size": 3}')
    assert file.located(Problem("model.size", "wrong")).location == "in the overrides"
    (problem,) = ConfigFile.read(config.path, {"modle.size": 3}).problems
    assert "'modle.size' leads to nothing" in problem.message
