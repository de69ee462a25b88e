from pathlib import Path

import pytest

from nlpreg.commands.options import parse_json_option, read_config
from nlpreg.common.checks import ConfigurationError


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
