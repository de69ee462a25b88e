"""Properties of resolving: what is resolved and written down again builds the same, and nothing ends in a traceback."""

import copy
import enum
import json
from typing import Any, Dict, List, Literal, Optional, Tuple, Union

import pytest

from nlpreg.common import FromParams, Lazy, Params, Registrable
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.config.resolve import Resolver
from nlpreg.common.plugins import import_plugins

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")


class Same:
    """Equal if made of equal parts."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({vars(self)})"


class Shape(Same, Registrable):
    default_implementation = "circle"


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@Shape.register("circle")
class Circle(Shape):
    def __init__(self, radius: float = 1.0, colour: Colour = Colour.RED, note: Optional[str] = None) -> None:
        self.radius, self.colour, self.note = radius, colour, note


class Point(Same, FromParams):
    def __init__(self, x: int, y: int = 0) -> None:
        self.x, self.y = x, y


@Shape.register("polygon", constructor="of")
class Polygon(Shape):
    def __init__(self, corners: Any) -> None:
        self.corners = corners

    @classmethod
    def of(
        cls, corners: List[Point], closed: bool = True, style: Literal["solid", "dotted"] = "solid"
    ) -> "Polygon":
        return cls((corners, closed, style))


@Shape.register("group")
class Group(Shape):
    def __init__(
        self,
        parts: Dict[str, Shape],
        weights: "Tuple[float, ...]" = (),
        label: Union[int, List[str], None] = 3,
        first: Optional[Shape] = None,
        later: Lazy[Shape] = Lazy(Circle, radius=5.0),  # noqa: B008
    ) -> None:
        self.parts, self.weights, self.label, self.first = parts, weights, label, first
        self.later = later.construct()


points = st.fixed_dictionaries({"x": st.integers()}, optional={"y": st.integers()})
finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-100, 100)
circles = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("circle"),
        "radius": finite,
        "colour": st.sampled_from(["RED", "BLUE", 1, 2]),
        "note": st.none() | st.text().filter(lambda text: text != "None"),
    },
)
polygons = st.fixed_dictionaries(
    {"type": st.just("polygon"), "corners": st.lists(points, max_size=3)},
    optional={"closed": st.booleans(), "style": st.sampled_from(["solid", "dotted"])},
)


def groups(inner: Any) -> Any:
    return st.fixed_dictionaries(
        {"type": st.just("group"), "parts": st.dictionaries(st.text(max_size=3), inner, max_size=3)},
        optional={
            "weights": st.lists(finite, max_size=3),
            "label": st.none()
            | st.integers()
            | st.lists(st.text(max_size=2).filter(lambda t: t != "None"), max_size=2),
            "first": st.none() | inner,
            "later": inner,
        },
    )


shapes = st.recursive(st.just("circle") | circles | polygons, groups, max_leaves=6)


@hypothesis.given(shapes)
@hypothesis.settings(max_examples=150)
def test_what_is_resolved_builds_the_same(config: Any) -> None:
    resolver = Resolver()
    node = resolver.object(Shape, copy.deepcopy(config), "")
    assert resolver.problems == []
    resolved = node.as_config()
    as_json = json.loads(json.dumps(resolved, allow_nan=False))
    params = Params(copy.deepcopy(config)) if isinstance(config, dict) else config
    assert Shape.from_params(params) == Shape.from_params(Params(copy.deepcopy(as_json)))
    again = Resolver().object(Shape, copy.deepcopy(as_json), "").as_config()
    assert json.loads(json.dumps(again)) == as_json


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | finite
    | st.text(max_size=5)
    | st.sampled_from(["circle", "group"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "radius", "corners", "parts", "label", "later", "x", "weights", "other"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@hypothesis.given(json_values)
@hypothesis.settings(max_examples=200)
def test_any_value_is_built_or_refused_with_its_place(config: Any) -> None:
    resolver = Resolver()
    node = resolver.object(Shape, copy.deepcopy(config), "shape")
    for problem in resolver.problems:
        assert problem.path.startswith("shape")
        assert problem.message
    if not resolver.problems:
        try:
            node.build({})
        except ConfigurationError:
            raise
        except (TypeError, AttributeError) as error:  # `null` fits every argument
            assert "None" in str(error)


def test_the_extras_are_those_that_nlpreg_passes() -> None:
    """What each family declares is held to what stands in the calls of `construct`."""
    import ast
    from pathlib import Path

    import nlpreg
    from nlpreg.common.config.describe import snake_case

    passed: dict[str, set[str]] = {}
    for path in Path(nlpreg.__file__).parent.rglob("*.py"):
        if "testing" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "construct"
            ):
                owner = ast.unparse(node.func.value).split("[")[0].split(".")[-1]
                passed.setdefault(owner, set()).update(keyword.arg or "**" for keyword in node.keywords)
    known: dict[str, set[str]] = {}
    import_plugins()
    for base in REGISTRY:
        known[snake_case(base.__name__)] = set(getattr(base, "constructor_extras", None) or ())
    names = {
        "scheduler": "learning_rate_scheduler",
        "loader": "data_loader",
        "loaders": "data_loader",
        "callback": "trainer_callback",
        "head": "tagging_head",
    }
    for owner, keywords in passed.items():
        family = names.get(owner, owner)
        if known.get(family):
            assert keywords <= known[family], (owner, keywords)
    assert {"optimizer", "checkpointer", "model", "trainer", "vocabulary"} <= set(passed)


class Range(FromParams):
    """Refuses what only the two numbers together tell."""

    def __init__(self, low: int, high: int = 9, inner: Optional[Circle] = None, source: Any = None) -> None:
        self.check_arguments(low, high)
        self.low, self.high, self.inner = low, high, inner

    @staticmethod
    def check_arguments(low: int, high: int) -> None:
        if low > high:
            raise ConfigurationError(f"low: expected {high} at most, got {low}")


class Half(Range):
    """Has a constructor of its own, of which the parent's rules say nothing."""

    def __init__(self, low: int, high: int = 0) -> None:
        super().__init__(low // 2, 9)


class Whole(Range):
    """Inherits constructor and rules."""


def refused(cls: Any, config: Any, **extras: Any) -> list[tuple[str, str]]:
    resolver = Resolver(extras)
    resolver.object(cls, config, "here")
    return [(problem.path, problem.message) for problem in resolver.problems]


def test_a_class_says_which_arguments_do_not_go_together() -> None:
    assert refused(Range, {"low": 1}) == []
    assert refused(Range, {"low": 10}) == [("here.low", "expected 9 at most, got 10")]
    assert refused(Whole, {"low": 3, "high": 2}) == [("here.low", "expected 2 at most, got 3")]
    assert refused(Half, {"low": 10}) == []
    with pytest.raises(ValueError, match="low: expected 9 at most, got 10"):
        Range.from_params(Params({"low": 10}))


class Untyped(FromParams):
    def __init__(self, width, depth=1):
        pass

    @staticmethod
    def check_arguments(width: Any) -> None:
        if width > 3:
            raise ValueError("width: too large")


def test_rules_of_arguments_without_annotations() -> None:
    assert refused(Untyped, {"width": 4}) == [("here.width", "too large")]
    assert refused(Untyped, {"width": "x"})[0][0] == "here"


def test_nothing_is_asked_of_wrong_types_nor_of_what_comes_later() -> None:
    assert refused(Range, {"low": "10", "high": 2})[0][0] == "here.low"
    assert refused(Range, {"low": 10}, high=3) == []


class Sampler(FromParams):
    def __init__(self, size: Optional[int] = None, inner: Optional[Lazy[Circle]] = None) -> None:
        pass

    @classmethod
    def check_arguments(cls, inner: Any, size: Optional[int]) -> None:
        if (size is None) == (inner is None):
            raise ValueError("expected size or inner")


def test_sections_are_given_as_they_stand() -> None:
    assert refused(Sampler, {}) == [("here", "expected size or inner")]
    assert refused(Sampler, {"inner": {"radius": 2}}) == []
    assert refused(Sampler, {"inner": {"radius": 2}, "size": 1}) == [("here", "expected size or inner")]


def test_a_key_beside_the_one_that_was_meant() -> None:
    assert refused(Range, {"low": 1, "hihg": 2, "high": 3}) == [
        ("here.hihg", 'unknown key; did you mean "high"? It is given too: remove one of them')
    ]
    assert refused(Range, {"low": 1, "sources": 2}, source=1) == [
        ("here.sources", 'unknown key; did you mean "source"? nlpreg passes that itself: leave it out')
    ]
    assert refused(Range, {"low": 1, "colour": 2}, source=1) == [
        ("here.colour", "unknown key: Range takes low, high, inner")
    ]
    assert 'did you mean "type"' in refused(Shape, {"typ": "circle"})[0][1]


def test_problems_beside_others_are_reported_with_them() -> None:
    # Inside of a section whose type is misspelt, if the keys are those of the class that is meant.
    corners = [{"x": "1"}, {"x": 1, "z": 2}]
    assert [path for path, _ in refused(Shape, {"type": "polygn", "corners": corners})] == [
        "here.type",
        "here.corners.0.x",
        "here.corners.1.z",
    ]
    assert [path for path, _ in refused(Shape, {"type": "polygn", "edges": corners})] == ["here.type"]
    assert [path for path, _ in refused(Shape, {"type": "blob", "corners": corners})] == ["here.type"]
    # What a class says of its arguments, unless one of these arguments has another problem.
    assert [path for path, _ in refused(Range, {"low": 10, "colour": 2})] == ["here.colour", "here.low"]
    assert [path for path, _ in refused(Range, {"low": "10"})] == ["here.low"]


class Chain(FromParams):
    def __init__(self, members: List[Circle]) -> None:
        pass


def test_a_list_where_an_object_belongs() -> None:
    (problem,) = refused(Chain, [{"radius": 1.0}])
    assert problem[1].endswith('; write {"members": [...]}')
    assert "write" not in refused(Chain, ["oval"])[0][1]
