import json
from typing import Any

import pytest

from nlpreg.common.config.jsonnet import evaluate_jsonnet, jsonnet_key, jsonnet_text

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
