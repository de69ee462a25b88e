import enum
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Dict, List, Literal, NewType, Optional, Set, Tuple, TypeVar, Union

import pytest

from nlpreg.common import FromParams, Lazy, Params, Registrable
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.from_params import (
    can_construct_from_params,
    construct_arg,
    create_extras,
    create_kwargs,
    infer_constructor_params,
    is_base_registrable,
    pop_and_construct_arg,
    remove_optional,
    takes_arg,
    takes_kwargs,
)


class Scorer(Registrable):
    default_implementation = "const"


@Scorer.register("const")
class Const(Scorer):
    def __init__(self, value: float = 0.0) -> None:
        self.value = value


@Scorer.register("sum", constructor="of")
class Sum(Scorer):
    def __init__(self, parts: Any) -> None:
        self.parts = parts

    @classmethod
    def of(cls, parts: List[Scorer], names: Optional[Dict[str, int]] = None) -> "Sum":
        return cls(parts)


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@dataclass
class Point:
    x: int
    y: int = 2


@dataclass
class ConfigurablePoint(FromParams):
    x: int
    y: int = 2


def holder(annotation: Any, default: Any = ...) -> type:
    """A class whose constructor has one argument `it` of that annotation."""

    class Holder(FromParams):
        def __init__(self, it=None) -> None:
            self.it = it

    parameters = {"it": annotation}
    Holder.__init__.__annotations__ = parameters
    if default is ...:
        Holder.__init__.__defaults__ = None
    return Holder


def build(annotation: Any, value: Any) -> Any:
    return holder(annotation).from_params(Params({"it": value})).it


def test_the_default_implementation_is_built_where_no_type_is_given() -> None:
    assert Scorer.from_params(Params({})).value == 0.0


def test_a_named_constructor_builds_its_arguments() -> None:
    params = Params({"type": "sum", "parts": ["const", {"value": 2}]})
    parts = Scorer.from_params(params).parts
    assert [part.value for part in parts] == [0.0, 2]
    assert len(params) == 0


def test_a_string_stands_for_a_type() -> None:
    assert isinstance(Scorer.from_params("const"), Const)


def test_a_fully_qualified_name_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere.py").write_text("class Other:\n    def __init__(self, a=1): self.a = a\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert Scorer.from_params(Params({"type": "elsewhere.Other", "a": 3})).a == 3


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 3, 3),
        (float, 1, 1),
        (float, 1.5, 1.5),
        (bool, True, True),
        (str, "a", "a"),
        (str, Path("a"), "a"),
        (Optional[int], None, None),
        (int | None, 3, 3),
        (Union[int, str], "a", "a"),
        (Union[str, int], 1, 1),
        (int | list[int], [1, 2], [1, 2]),
        (List[int], [1], [1]),
        (Sequence[float], [1, 2.5], [1, 2.5]),
        (Iterable[str], ["a"], ["a"]),
        (List[Optional[int]], [None, 1], [None, 1]),
        (Tuple[int, str], [1, "a"], (1, "a")),
        (Tuple[int, ...], [1, 2, 3], (1, 2, 3)),
        (Set[int], [1, 1, 2], {1, 2}),
        (Dict[str, int], {"a": 1}, {"a": 1}),
        (Dict[int, int], {"1": 1}, {1: 1}),
        (Mapping[str, List[int]], {"a": [1]}, {"a": [1]}),
        (Dict[str, Any], {"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 2}]}}),
        (List[Tuple[str, Dict[str, float]]], [["a", {"b": 1}]], [("a", {"b": 1})]),
        (Literal["a", "b", 3], "b", "b"),
        (Colour, "r", Colour.RED),
        (Colour, "BLUE", Colour.BLUE),
        (Point, {"x": 1}, Point(1)),
        (ConfigurablePoint, {"x": 1, "y": 3}, ConfigurablePoint(1, 3)),
        (Annotated[int, "counted"], 3, 3),
        (NewType("Size", int), 3, 3),
        (TypeVar("Bound", bound=int), 3, 3),
        (Any, {"a": 1}, {"a": 1}),
        (list, [{"a": 1}], [{"a": 1}]),
        (Path, "x/y", Path("x/y")),
        (bool, 1, True),
        (bool | int, 1, 1),
        (Path | str, "x/y", Path("x/y")),
        (str | Path, "x/y", "x/y"),
    ],
)
def test_values_that_fit(annotation: Any, value: Any, expected: Any) -> None:
    result = build(annotation, value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (int, "3", r'it: expected an integer, found "3" \(a string\); write 3 without quotes'),
        (int, True, "expected an integer, found true"),
        (int, 3.5, "expected an integer, found 3.5"),
        (float, "x", 'expected a number, found "x"'),
        (float, False, "expected a number, found false"),
        (bool, 2, "expected true or false, found 2"),
        (int, None, "expected an integer, found null"),
        (dict[int, int], {"a": 1}, "expected keys that are integers"),
        (bool, "true", "write it without quotes"),
        (str, 3, r"expected a string, found 3 \(a number\)"),
        (
            List[int],
            3,
            r"expected a list of integers, found 3 \(a number\); for a list of one, write \[3\]",
        ),
        (List[str], 3, r"expected a list of strings, found 3 \(a number\)$"),
        (
            List[str],
            "abc",
            r"expected a list of strings, found \"abc\" \(a string\); for a list of one, write \[\"abc\"\]",
        ),
        (List[int], [1, "a"], "it.1: expected an integer"),
        (Dict[str, int], [1], "expected an object, found"),
        (Dict[str, int], {"a": "b"}, "it.a: expected an integer"),
        (Tuple[int, int], [1, 2, 3], "expected a list of 2 items"),
        (Tuple[int, int], [1], r"expected a list of 2 items .*, found 1"),
        (Literal["BIO", "BIOUL"], "BIOU", "expected one of 'BIO', 'BIOUL'.*did you mean \"BIO"),
        (Literal[1], True, "expected one of 1, found true"),
        (Colour, "green", "expected one of RED, BLUE"),
        (Union[int, bool], "x", "it: expected an integer or true or false, found"),
        (int | None, "x", "expected an integer"),
        (Point, {"x": "a"}, "it.x: expected an integer"),
        (Scorer, 3, "expected a Scorer: an object, or a registered name, found 3"),
        (List[Scorer], [None], "it.0: expected a Scorer"),
        (Union[int, Dict[str, int]], {"a": "b"}, "it.a: expected an integer"),
    ],
)
def test_values_that_do_not_fit(annotation: Any, value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(annotation, value)


def test_a_wrong_scalar_is_a_type_error_too() -> None:
    with pytest.raises(TypeError, match="expected an integer"):
        build(int, "3")


def test_union_members_are_tried_in_written_order() -> None:
    assert build(Union[str, Scorer], "const") == "const"
    assert isinstance(build(Union[Scorer, str], "const"), Const)
    assert build(Union[Scorer, str], "nobody") == "nobody"


def test_the_next_union_member_is_tried_when_construction_fails() -> None:
    class Picky(FromParams):
        def __init__(self, size: int) -> None:
            if size > 3:
                raise ValueError("too large")

    assert build(Union[Picky, Dict[str, int]], {"size": 9}) == {"size": 9}
    assert isinstance(build(Union[Picky, Dict[str, int]], {"size": 2}), Picky)


def test_all_problems_are_reported_at_once() -> None:
    class Outer(FromParams):
        def __init__(self, a: int, scorer: Scorer, many: List[Scorer], later: Lazy[Scorer]) -> None:
            raise AssertionError("nothing may be built")

    config = {
        "A": 1,
        "scorer": {"type": "sume"},
        "many": [{"value": "x"}, {"valu": 1}],
        "later": {"type": "const", "value": []},
        "extra": 1,
    }
    with pytest.raises(ConfigurationError, match="sume") as caught:
        Outer.from_params(Params(config))
    assert [problem.path for problem in caught.value.problems] == [
        "scorer.type",
        "scorer.parts",  # of "sum", which is meant
        "many.0.value",
        "many.1.valu",
        "later.value",
        "A",
        "extra",
    ]
    messages = {problem.path: problem.message for problem in caught.value.problems}
    assert 'did you mean "sum"' in messages["scorer.type"]
    assert 'did you mean "a", which is required' in messages["A"]
    assert 'did you mean "value"' in messages["many.1.valu"]


class Base(FromParams):
    def __init__(self, name: str, size: int = 1) -> None:
        self.name, self.size = name, size


class HandsOn(Base):
    def __init__(self, x: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.x = x


class Looks(Base):
    def __init__(self, **kwargs: Any) -> None:
        self.own = kwargs.pop("own", None)
        super().__init__(**kwargs)


def test_kwargs_take_the_parents_parameters() -> None:
    built = HandsOn.from_params(Params({"x": 1, "name": "a", "size": 4}))
    assert (built.x, built.name, built.size) == (1, "a", 4)
    with pytest.raises(ConfigurationError, match="size: expected an integer"):
        HandsOn.from_params(Params({"x": 1, "name": "a", "size": "4"}))


def test_an_unknown_key_is_found_through_kwargs_that_are_only_handed_on() -> None:
    with pytest.raises(ConfigurationError, match='siz: unknown key; did you mean "size"'):
        HandsOn.from_params(Params({"x": 1, "name": "a", "siz": 4}))


def test_a_constructor_that_looks_into_its_kwargs_gets_every_key() -> None:
    assert Looks.from_params(Params({"name": "a", "own": {"b": 1}})).own == {"b": 1}


def test_extras_reach_every_level_by_name_and_the_config_wins(caplog: pytest.LogCaptureFixture) -> None:
    class Inner(FromParams):
        def __init__(self, vocab: Any, size: int = 1) -> None:
            self.vocab, self.size = vocab, size

    class Outer(FromParams):
        def __init__(self, inner: List[Inner], vocab: Any = None) -> None:
            self.inner, self.vocab = inner, vocab

    outer = Outer.from_params(Params({"inner": [{"size": 2}]}), vocab="v", unused="u")
    assert (outer.vocab, outer.inner[0].vocab, outer.inner[0].size) == ("v", "v", 2)
    assert Outer.from_params(Params({"inner": [], "vocab": "mine"}), vocab="v").vocab == "mine"
    assert "config's value is used" in caplog.text


def test_an_overridden_from_params_is_honoured_at_any_depth() -> None:
    @Scorer.register("opaque", exist_ok=True)
    class Opaque(Scorer):
        @classmethod
        def from_params(cls, params: Params, vocab: Any = None, **extras: Any) -> "Opaque":
            built = cls()
            built.seen = (params.pop("anything"), vocab)
            params.assert_empty("Opaque")
            return built

    parts = Scorer.from_params(
        Params({"type": "sum", "parts": [{"type": "opaque", "anything": 1}]}), vocab="v"
    ).parts
    assert parts[0].seen == (1, "v")


def test_an_override_may_call_the_inherited_method() -> None:
    class Counted(FromParams):
        def __init__(self, a: int) -> None:
            self.a = a

        @classmethod
        def from_params(cls, params: Params, **extras: Any) -> "Counted":
            params["a"] = params.pop("b") + 1
            return super().from_params(params, **extras)

    assert Counted.from_params(Params({"b": 1})).a == 2


def test_string_annotations_are_resolved() -> None:
    class Postponed(FromParams):
        def __init__(self, scorer: "Scorer", sizes: "list[int] | None" = None) -> None:
            self.scorer, self.sizes = scorer, sizes

    assert isinstance(Postponed.from_params(Params({"scorer": "const"})).scorer, Const)
    with pytest.raises(ConfigurationError, match=r"sizes\.0: expected an integer"):
        Postponed.from_params(Params({"scorer": "const", "sizes": ["1"]}))


def test_a_foreign_class_gets_plain_values_and_its_keys_are_checked() -> None:
    @Scorer.register("foreign", exist_ok=True)
    class Foreign:
        def __init__(self, a, b=2):
            self.a, self.b = a, b

    assert Scorer.from_params(Params({"type": "foreign", "a": [1]})).a == [1]
    with pytest.raises(ConfigurationError, match="c: unknown key"):
        Scorer.from_params(Params({"type": "foreign", "a": 1, "c": 2}))


def test_a_class_without_a_constructor_takes_no_keys() -> None:
    class Empty(FromParams):
        pass

    assert isinstance(Empty.from_params(Params({})), Empty)
    with pytest.raises(ConfigurationError, match="takes no arguments"):
        Empty.from_params(Params({"a": 1}))


def test_an_empty_registry_says_how_to_fill_it() -> None:
    class Nothing(Registrable):
        pass

    with pytest.raises(ConfigurationError, match="--include-package"):
        Nothing.from_params(Params({"type": "x"}))


def test_a_concrete_class_takes_no_type() -> None:
    with pytest.raises(ConfigurationError, match="type: unknown key"):
        Const.from_params(Params({"type": "const"}))


def test_an_argument_of_a_concrete_class_may_name_that_class() -> None:
    class Holder(FromParams):
        def __init__(self, const: Const) -> None:
            self.const = const

    assert isinstance(Holder.from_params(Params({"const": {"type": "const", "value": 2}})).const, Const)
    with pytest.raises(ConfigurationError, match="const.type: unknown key"):
        Holder.from_params(Params({"const": {"type": "sum"}}))


def test_only_params_and_strings_can_be_built_from() -> None:
    assert Scorer.from_params(None) is None
    with pytest.raises(ConfigurationError, match="expected Params or a string, got dict"):
        Scorer.from_params({"type": "const"})


def test_an_error_while_building_knows_its_key_path() -> None:
    class Broken(FromParams):
        def __init__(self) -> None:
            raise ValueError("broken")

    class Outer(FromParams):
        def __init__(self, inner: List[Broken]) -> None:
            pass

    with pytest.raises(ValueError, match="broken") as caught:
        Outer.from_params(Params({"inner": [{}]}))
    assert caught.value.config_path == "inner.0"


def test_the_helpers_of_plugins() -> None:
    assert takes_arg(Base, "name") and not takes_arg(Base, "x")
    assert takes_kwargs(HandsOn) and not takes_kwargs(Base)
    with pytest.raises(ConfigurationError, match="expected a class"):
        takes_arg(3, "x")
    assert list(infer_constructor_params(HandsOn)) == ["x", "name", "size"]
    assert remove_optional(Optional[int]) is int
    assert is_base_registrable(Scorer) and not is_base_registrable(Const)
    assert can_construct_from_params(List[Scorer]) and not can_construct_from_params(Dict[str, Any])
    assert create_extras(Base, {"a": 1}) == {"a": 1}
    params = Params({"name": "a", "size": 2}, "model.")
    assert create_kwargs(Base.__init__, Base, params) == {"name": "a", "size": 2}
    assert construct_arg("Base", "size", 3, int, 1) == 3
    assert pop_and_construct_arg("Base", "size", int, 1, Params({})) == 1
    with pytest.raises(ConfigurationError, match='"m.size" is required by Base'):
        pop_and_construct_arg("Base", "size", int, inspect.Parameter.empty, Params({}, "m."))


def test_to_params_replaces_what_is_nested() -> None:
    class Pair(FromParams):
        def __init__(self, a: Const, b: List[Const]) -> None:
            self.a, self.b = a, b

        def _to_params(self) -> Dict[str, Any]:
            return {"a": self.a, "b": self.b}

    Const._to_params = lambda self: {"type": "const", "value": self.value}
    try:
        config = {"a": {"type": "const", "value": 1}, "b": [{"type": "const", "value": 2}]}
        assert Pair(Const(1), [Const(2)]).to_params().as_dict() == config
    finally:
        del Const._to_params
    with pytest.raises(NotImplementedError, match="HandsOn does not define _to_params"):
        HandsOn(1, name="a").to_params()
