"""What holds for the arguments of every registered class: which take `null`, and that no unknown key is taken."""

import inspect
import types
import typing
from typing import Any

import pytest

from nlpreg.common.config.hints import signature_of
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.config.resolve import Resolver
from nlpreg.common.plugins import import_builtin_parts

import_builtin_parts()

CLASSES = {
    f"{base.__name__} {name}": (cls, getattr(cls, constructor) if constructor else None)
    for base, names in REGISTRY.items()
    for name, (cls, constructor) in names.items()
    if getattr(cls, "__module__", "").startswith("nlpreg.")
}


def allows_null(parameter: inspect.Parameter) -> bool:
    """Whether `None` is among the types of an annotation, or the default."""
    hint = parameter.annotation
    while typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return (
        parameter.default is None
        or hint in (inspect.Parameter.empty, Any, object, None, type(None))
        or isinstance(hint, typing.TypeVar)
        or (is_union and type(None) in typing.get_args(hint))
    )


def test_there_are_many_classes() -> None:
    assert len(CLASSES) > 200


@pytest.mark.parametrize("name", CLASSES)
def test_null_is_an_error_where_it_is_not_allowed(name: str) -> None:
    cls, constructor = CLASSES[name]
    for argument, parameter in signature_of(constructor or cls).parameters.items():
        if argument in ("self", "vocab") or parameter.kind in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        ):
            continue
        resolver = Resolver()
        resolver.call(cls, constructor, {argument: None}, "it")
        said = [
            p.message for p in resolver.problems if p.path == f"it.{argument}" and "found null" in p.message
        ]
        assert bool(said) is not allows_null(parameter), f"{argument}: {parameter.annotation}: {said}"
        if said and parameter.default is not inspect.Parameter.empty:
            assert "leave it out" in said[0]


@pytest.mark.parametrize("name", CLASSES)
def test_an_unknown_key_is_an_error(name: str) -> None:
    cls, constructor = CLASSES[name]
    resolver = Resolver()
    resolver.call(cls, constructor, {"no_such_key": 1}, "it")
    assert any(problem.path == "it.no_such_key" for problem in resolver.problems)
