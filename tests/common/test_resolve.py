"""Properties of resolving: what is resolved and written down again builds the same, and nothing ends in a traceback."""

import copy
import enum
import json
from typing import Any, Dict, List, Literal, Optional, Tuple, Union

import pytest

from nlpreg.common import FromParams, Lazy, Params, Registrable
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.resolve import EXTRAS_OF, Resolver

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
@hypothesis.settings(deadline=None, max_examples=150)
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
@hypothesis.settings(deadline=None, max_examples=200)
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
    """`EXTRAS_OF` is held to what stands in the calls of `construct`."""
    import ast
    from pathlib import Path

    import nlpreg
    from nlpreg.common.introspection import snake_case

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
    for name, extras in EXTRAS_OF.items():
        known.setdefault(snake_case(name.rpartition(".")[2]), set()).update(extras)
    names = {
        "scheduler": "learning_rate_scheduler",
        "loader": "data_loader",
        "loaders": "data_loader",
        "callback": "trainer_callback",
    }
    for owner, keywords in passed.items():
        family = names.get(owner, owner)
        if family in known:
            assert keywords <= known[family], (owner, keywords)
    assert {"optimizer", "checkpointer", "model", "trainer", "vocabulary"} <= set(passed)
