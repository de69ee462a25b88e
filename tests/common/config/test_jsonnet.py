import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config import jsonnet
from nlpreg.common.config.config_file import ConfigFile
from nlpreg.common.config.jsonnet import (
    check_depth,
    evaluate_jsonnet,
    jsonnet_key,
    jsonnet_text,
    parse_overrides,
)
from nlpreg.common.params import Params

VALUES: list[Any] = [
    None,
    True,
    3,
    2.5,
    "",
    "plain",
    "it's",
    'he said "no"',
    """both ' and " """,
    "back\\slash\nand tab\t",
    "ä – 漢字 😀",
    [],
    {},
    [1, [2, {}]],
    {"a": 1, "local": 2, "with space": 3, "ä": 4, "": 5},
    {"long": ["x" * 30] * 5, "nested": {"deeper": {"deepest": ["y" * 40] * 3}}},
]


@pytest.mark.parametrize("value", VALUES, ids=json.dumps)
def test_jsonnet_reads_what_is_written(value: Any) -> None:
    assert evaluate_jsonnet("test", jsonnet_text(value), {}) == value


@pytest.mark.parametrize("key", ["a", "a_1", "_x", "self", "1a", "a-b", "ä", "", "'"])
def test_keys_are_quoted_where_they_must_be(key: str) -> None:
    assert evaluate_jsonnet("test", f"{{ {jsonnet_key(key)}: 1 }}", {}) == {key: 1}


def test_layout() -> None:
    assert jsonnet_text({"type": "lstm", "sizes": [1, 2]}) == "{ type: 'lstm', sizes: [1, 2] }"
    assert jsonnet_text({"a": [1, 2], "b": "x"}, indent=2, width=10) == "{\n    a: [1, 2],\n    b: 'x',\n  }"
    assert jsonnet_text(["aa", "bb"], width=5) == "[\n  'aa',\n  'bb',\n]"


@pytest.mark.parametrize(
    "text",
    [
        "local f(x) = f(x + 1) tailstrict; { a: f(0) }",
        "{ a: std.repeat(std.repeat('x', 1000000), 1000000) }",
        "local f(x) = f(x + 1); { a: f(0) }",
    ],
)
def test_an_evaluation_without_end_is_ended(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonnet, "MAX_SECONDS", 1)
    monkeypatch.setattr(jsonnet, "MAX_BYTES", 2**28)
    with pytest.raises(RuntimeError, match=r"took more than|GiB of memory|[Mm]ax stack|bad_alloc|memory"):
        evaluate_jsonnet("x.jsonnet", text, {})


def test_ctrl_c_ends_an_evaluation() -> None:
    code = (
        "import os, signal, threading\n"
        "from nlpreg.common.config.jsonnet import evaluate_jsonnet\n"
        # tests that run in the background of a shell inherit a Ctrl-C that is ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        "    evaluate_jsonnet('x', 'local f(x) = f(x + 1) tailstrict; { a: f(0) }', {})\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100
    )
    assert done.stdout == "interrupted\n"


@pytest.mark.parametrize(
    "text",
    [
        '{"b": 1.0, "a": [1e3, -0.5, 1.5e-3, -0, 12345678901], "c": {"z": null, "y": "\\u00e4", "x": true}}',
        '{"large": 123456789012345678901234567890, "a": 1}',
        '"text"',
        "[]",
    ],
)
def test_json_is_read_as_jsonnet_reads_it(text: str) -> None:
    fast = evaluate_jsonnet("x.json", text, {})
    slow = evaluate_jsonnet("x.json", f"// not JSON\n{text}", {})
    assert json.dumps(fast) == json.dumps(slow)  # order of keys and kinds of numbers too


def test_a_key_that_stands_twice_is_jsonnets_to_refuse() -> None:
    with pytest.raises(RuntimeError, match="duplicate field"):
        evaluate_jsonnet("x.json", '{"a": 1, "a": 2}', {})


def test_byte_order_marks(tmp_path: Path) -> None:
    (tmp_path / "a.jsonnet").write_text("\ufeff(import 'b.libsonnet') { a: 1 }", encoding="utf-8")
    (tmp_path / "b.libsonnet").write_text("\ufeff{ b: 2 }", encoding="utf-8")
    assert Params.from_file(tmp_path / "a.jsonnet").as_dict(quiet=True) == {"a": 1, "b": 2}
    assert ConfigFile.read(tmp_path / "a.jsonnet").config == {"a": 1, "b": 2}
    assert parse_overrides('\ufeff{"a": 3}') == {"a": 3}
    assert parse_overrides("\ufeff") == {}


def test_a_config_nested_too_deep(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a":' * 5000 + "1" + "}" * 5000)
    with pytest.raises((ConfigurationError, RuntimeError), match="nested too deep|max"):
        Params.from_file(tmp_path / "a.json")
    assert ConfigFile.read(tmp_path / "a.json").problems
    with pytest.raises(ConfigurationError, match="nested too deeply: expected at most 100 levels"):
        check_depth(nested(101))
    check_depth(nested(100))


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value
