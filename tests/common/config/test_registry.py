from dataclasses import dataclass
from typing import Any

import pytest

from nlpreg.common import FromParams, Params, Registrable
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.registry import SPECIAL_KEYS, SPECIAL_SECTIONS


@dataclass
class Loan:
    place: str
    days: int = 3


class Tool(FromParams):
    pass


class Shed(FromParams):
    def __init__(self, tool: Tool, other: int = 1) -> None:
        self.tool = tool


@pytest.fixture(autouse=True)
def borrowing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPECIAL_KEYS, "_borrow", lambda value, annotation, path: (value, annotation, path))
    monkeypatch.setitem(SPECIAL_SECTIONS, "_borrow", Loan)


def build(section: Any) -> Any:
    return Shed.from_params(Params({"tool": {"_borrow": section}})).tool


def test_the_handler_gives_the_object() -> None:
    assert build({"place": "next door"}) == ({"place": "next door"}, Tool, "tool")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"plaec": "x"}, r'tool._borrow.plaec: unknown key; did you mean "place", which is required'),
        ({"place": 3}, "tool._borrow.place: expected a string"),
        ("x", "tool._borrow: expected an object, found"),
    ],
)
def test_its_section_is_checked(section: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(section)


@pytest.mark.parametrize("plugin_first", [True, False])
def test_a_plugin_wins_over_what_came_from_the_companion_package(
    plugin_first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Model(Registrable):
        pass

    class BuiltIn(Model):
        pass

    class Mine(Model):
        pass

    BuiltIn.__module__ = "nlpreg.models.somewhere"
    with caplog.at_level("INFO"):
        for cls in (Mine, BuiltIn) if plugin_first else (BuiltIn, Mine):
            Model.register("crf_tagger")(cls)
    assert Model.by_name("crf_tagger") is Mine
    assert "a plugin's, not the built-in" in caplog.text
    with pytest.raises(ConfigurationError, match="the name is taken"):
        Model.register("crf_tagger")(type("Other", (Model,), {}))
