import json
from pathlib import Path

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import (
    Params,
    infer_and_cast,
    parse_overrides,
    pop_choice,
    remove_keys_from_params,
    with_overrides,
)


def test_popping_wraps_mappings_and_knows_its_place() -> None:
    params = Params({"model": {"layers": [{"size": 1}], "x": {"y": 2}}})
    model = params.pop("model")
    assert isinstance(model, Params) and model.history == "model."
    assert model.pop("layers")[0].history == "model.layers.0."
    assert model.pop("x", keep_as_dict=True) == {"y": 2}
    assert len(params) == 0 and len(model) == 0
    with pytest.raises(ConfigurationError, match='"model.size" is required'):
        model.pop("size")


def test_the_string_none_becomes_none_in_the_dict_itself() -> None:
    raw = {"a": "None", "b": ["None", {"c": "None"}]}
    Params(raw)
    assert raw == {"a": None, "b": [None, {"c": None}]}


def test_numbers_and_truth_values_are_read_from_text() -> None:
    params = Params({"a": "3", "b": "0.5", "c": "true", "d": None, "e": "x", "f": "x", "g": "yes"})
    assert (params.pop_int("a"), params.pop_float("b"), params.pop_bool("c"), params.pop_int("d")) == (
        3,
        0.5,
        True,
        None,
    )
    assert params.pop_int("nothing", 7) == 7
    with pytest.raises(ValueError, match="invalid literal"):
        params.pop_int("e")
    with pytest.raises(ValueError, match="could not convert"):
        params.pop_float("f")
    with pytest.raises(ValueError, match="g: expected true or false"):
        params.pop_bool("g")


def test_choices() -> None:
    params = Params({"a": "lstm", "b": "my.Class", "c": "my.Class", "d": "lstn"})
    assert params.pop_choice("a", ["gru", "lstm"]) == "lstm"
    assert params.pop_choice("b", ["gru"]) == "my.Class"
    assert params.pop_choice("missing", ["gru"], default_to_first_choice=True) == "gru"
    with pytest.raises(ConfigurationError, match="c: expected one of"):
        params.pop_choice("c", ["gru"], allow_class_names=False)
    with pytest.raises(ConfigurationError, match='did you mean "lstm"'):
        pop_choice({"d": "lstn"}, "d", ["lstm"])


def test_a_mapping_in_every_respect() -> None:
    params = Params({"a": 1, "b": {"c": 2}})
    assert params == {"a": 1, "b": {"c": 2}} and list(params) == ["a", "b"]
    assert isinstance(params["b"], Params) and params.get("zzz") is None and params.get("zzz", 1) == 1
    params["d"] = 3
    del params["a"]
    assert params.as_flat_dict() == {"b.c": 2, "d": 3}
    with pytest.raises(KeyError):
        params["a"]
    copy = params.duplicate()
    copy["d"] = 4
    assert params["d"] == 3
    with pytest.raises(ConfigurationError, match="Thing takes no"):
        params.assert_empty("Thing")


def test_the_hash_is_the_same_for_equal_values() -> None:
    assert Params({"a": 1, "b": 2}).get_hash() == Params({"b": 2, "a": 1}).get_hash()
    assert Params({"a": 1}).get_hash() != Params({"a": 2}).get_hash()


def test_keys_are_written_in_a_readable_order(tmp_path: Path) -> None:
    params = Params({"zebra": 1, "trainer": {"b": 1, "type": "x", "a": 2}, "model": {}, "dataset_reader": {}})
    params.to_file(str(tmp_path / "config.json"))
    written = json.loads((tmp_path / "config.json").read_text())
    assert list(written) == ["dataset_reader", "model", "trainer", "zebra"]
    assert list(written["trainer"]) == ["type", "a", "b"]


def test_a_file_is_jsonnet_with_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib.libsonnet").write_text("{ size: 8 }")
    (tmp_path / "config.jsonnet").write_text(
        "local lib = import 'lib.libsonnet';\n"
        "{ size: lib.size / 2, name: std.extVar('NLPREG_TEST_NAME'), given: std.extVar('GIVEN'), none: 'None' }"
    )
    monkeypatch.setenv("NLPREG_TEST_NAME", "naïve ☕")
    params = Params.from_file(tmp_path / "config.jsonnet", '{"extra": 1}', {"GIVEN": "x"})
    assert params.as_dict() == {"size": 4, "name": "naïve ☕", "given": "x", "none": None, "extra": 1}
    assert type(params["size"]) is int


def test_files_that_are_no_config(tmp_path: Path) -> None:
    (tmp_path / "latin.jsonnet").write_bytes(b'{"a": "caf\xe9"}')
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "broken.jsonnet").write_text("{ a: ")
    with pytest.raises(ConfigurationError, match=r"latin.jsonnet.*must be UTF-8 text, but byte 10"):
        Params.from_file(tmp_path / "latin.jsonnet")
    with pytest.raises(ConfigurationError, match="expected an object, got"):
        Params.from_file(tmp_path / "list.json")
    with pytest.raises(RuntimeError, match=r"broken.jsonnet"):
        Params.from_file(tmp_path / "broken.jsonnet")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Params.from_file(tmp_path / "nowhere.jsonnet")


CONFIG = {"model": {"layers": [{"size": 1}, {"size": 2}], "a.b": 1}, "x": 1}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"model.layers.0.size": 5}, {"model": {"layers": [{"size": 5}, {"size": 2}], "a.b": 1}, "x": 1}),
        ({"model": {"y": 1}}, {"model": {"y": 1}, "x": 1}),
        ({"model.new": 3, "z": 4}, {"model": {**CONFIG["model"], "new": 3}, "x": 1, "z": 4}),
        ({"model.a.b": 9}, {"model": {**CONFIG["model"], "a.b": 9}, "x": 1}),
    ],
)
def test_overrides(overrides: dict, expected: dict) -> None:
    before = json.dumps(CONFIG)
    assert with_overrides(CONFIG, overrides) == expected
    assert json.dumps(CONFIG) == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"modle.a": 1}, "'modle.a' leads to nothing"),
        ({"model.layers.7.size": 1}, "'model.layers.7.size' leads to nothing"),
        ({"model": {}, "model.new": 1}, "'model.new' leads to nothing"),
        ({"x.y": 1}, "'x', which is 1; expected a list or an object"),
    ],
)
def test_overrides_that_lead_nowhere(overrides: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_overrides(CONFIG, overrides)


def test_overrides_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLPREG_TEST_SIZE", "3")
    assert parse_overrides("") == {}
    assert parse_overrides("{'a.b': std.parseInt(std.extVar('NLPREG_TEST_SIZE'))}") == {"a.b": 3}
    with pytest.raises(ConfigurationError, match="is not valid Jsonnet"):
        parse_overrides("{a")
    with pytest.raises(ConfigurationError, match="expected an object"):
        parse_overrides("[1]")


def test_casting_and_removing() -> None:
    assert infer_and_cast({"a": ["1", "1.5", "TRUE", "x", 2]}) == {"a": [1, 1.5, True, "x", 2]}
    with pytest.raises(ValueError, match="cannot infer"):
        infer_and_cast({"a": None})
    params = Params({"initializer": 1, "x": {"pretrained_file": 2, "y": 3}, "z": [{"initializer": 1}]})
    remove_keys_from_params(params)
    assert params.as_dict() == {"x": {"y": 3}, "z": [{"initializer": 1}]}
