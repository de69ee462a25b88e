import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.command_line import parse_args
from nlpreg.commands.evaluate import evaluate_from_archive
from nlpreg.commands.export.exporting import export_archive
from nlpreg.commands.find_learning_rate import find_learning_rate_model
from nlpreg.commands.options import arguments_for, parse_json_option, read_config
from nlpreg.commands.package import package_model
from nlpreg.commands.predict import PredictManager
from nlpreg.commands.push_to_hf import push_to_hf
from nlpreg.commands.train import train_model_from_file
from nlpreg.common.checks import ConfigurationError
from nlpreg.models.generation import GenerationOptions


def test_a_config_with_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLPREG_TEST_WIDTH", "3")
    (tmp_path / "c.jsonnet").write_text("{ a: { b: std.parseInt(std.extVar('NLPREG_TEST_WIDTH')) } }")
    assert read_config(tmp_path / "c.jsonnet").as_dict(quiet=True) == {"a": {"b": 3}}
    assert read_config(tmp_path / "c.jsonnet", '{"a.b": 4}').as_dict(quiet=True) == {"a": {"b": 4}}
    assert read_config(tmp_path / "c.jsonnet", {"a": 5}).as_dict(quiet=True) == {"a": 5}


@pytest.mark.parametrize(
    ("content", "overrides", "message"),
    [
        (b"{ a: ", "", r"c\.jsonnet"),
        (b"{ a: std.extVar('NLPREG_TEST_UNSET') }", "", "NLPREG_TEST_UNSET"),
        (b"\xff{}", "", "UTF-8"),
        (b"[]", "", "object"),
        (b"{}", '{"a.b": 1}', "overrides"),
        (b"{}", "[", "overrides"),
        (None, "", r"c\.jsonnet"),
    ],
    ids=["syntax", "unset variable", "not UTF-8", "no object", "nowhere", "bad override", "missing"],
)
def test_mistakes(content: bytes | None, overrides: str, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "c.jsonnet").write_bytes(content)
    with pytest.raises(ConfigurationError, match=message) as error:
        read_config(tmp_path / "c.jsonnet", overrides)
    assert "\n\n" not in str(error.value)


def test_json_options() -> None:
    assert parse_json_option("--x", "") == {}
    assert parse_json_option("--x", '{"a": 1}') == {"a": 1}
    for text in ("{", "[1]", "3"):
        with pytest.raises(ConfigurationError, match="--x"):
            parse_json_option("--x", text)


@pytest.mark.parametrize(
    ("words", "function", "passed_otherwise"),
    [
        (
            ["train", "c", "-s", "d"],
            train_model_from_file,
            {"parameter_filename", "return_model", "callbacks"},
        ),
        (["evaluate", "a", "d"], evaluate_from_archive, {"metrics_output_file", "cmd_overrides"}),
        (
            ["predict", "a", "i"],
            PredictManager,
            {"print_to_console", "has_dataset_reader", "show_progress"},
        ),
        (["generate", "a"], GenerationOptions, set()),
        (["find-lr", "c", "-s", "d"], find_learning_rate_model, {"params", "linear_steps"}),
        (["export", "a", "--to", "onnx", "-o", "d"], export_archive, set()),
        (["package", "a", "-n", "x"], package_model, {"archive"}),
        (["push-to-hf", "-n", "x", "-a", "a"], push_to_hf, set()),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_commands_pass_on_all_their_options(
    words: list[str], function: Callable[..., Any], passed_otherwise: set[str]
) -> None:
    given = arguments_for(function, parse_args("nlpreg", words)[1])
    assert given.keys() | passed_otherwise == inspect.signature(function).parameters.keys()
    assert not given.keys() & passed_otherwise
