"""Parameters of constructors: names, defaults, and annotations with strings resolved."""

import ast
import inspect
import textwrap
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Union, cast

from nlpreg.common.checks import ConfigurationError

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Signature:
    """The parameters of a constructor.

    Args:
        parameters: by name, annotations resolved; without `self`, `*args` and `**kwargs`.
        open: whether it accepts other keyword arguments too.
    """

    parameters: dict[str, inspect.Parameter]
    open: bool


@lru_cache(maxsize=4096)
def signature_of(cls: Any, constructor: Callable[..., Any] | None = None) -> Signature:
    """The parameters of a class's constructor, with those that its `**kwargs` pass on.

    Where `__init__` has `**kwargs`, the parameters of the next class in the method resolution order that is built from a
    config (has `from_params`) are added, and so on while each has `**kwargs`. Where a class method has them and passes them
    to `cls(...)`, those of `__init__` are added. The result is open only if the last one has `**kwargs` too, or if a
    constructor uses its `kwargs` for anything but passing them on.

    Args:
        cls: the class, or a function.
        constructor: the method to look at; by default `cls.__init__`, or the function itself.
    """
    constructor = constructor or (_init_of(cls) if isinstance(cls, type) else cls)
    # the signatures of these are (*args, **kwargs), but they accept no arguments
    is_of_torch = getattr(constructor, "__module__", "") == "torch.nn.modules.module"
    if constructor is object.__init__ or (is_of_torch and constructor.__name__ == "__init__"):
        return Signature({}, open=False)
    own = _own_parameters(constructor)
    named = {name: p for name, p in own.items() if p.kind not in _VARIADIC}
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in own.values()):
        return Signature(named, open=False)
    if not isinstance(cls, type):
        return Signature(named, open=True)
    if inspect.ismethod(constructor):
        call = _call_with_kwargs(constructor, _is_call_of_class)
        return (
            Signature(named, open=True) if call is None else _with_passed_on(named, signature_of(cls), call)
        )
    parent = next((base for base in cls.__mro__[1:] if _is_built_from_config(base)), None)
    if parent is None or _init_of(parent) is object.__init__:
        return Signature(named, open=True)
    if _init_of(parent) is constructor:  # inherited: look where the parent looks
        return signature_of(parent)
    return _with_passed_on(named, signature_of(parent), _call_with_kwargs(constructor, _is_call_of_parent))


def _with_passed_on(
    named: dict[str, inspect.Parameter], inherited: Signature, call: ast.Call | None
) -> Signature:
    """The parameters that a constructor names, and those of the one that it passes its `**kwargs` to."""
    # Arguments that the constructor itself passes on cannot be in a config: `super().__init__(size=3, **kwargs)`.
    given = set() if call is None else {keyword.arg for keyword in call.keywords}
    positional = [] if call is None else [value for value in call.args if not isinstance(value, ast.Starred)]
    given.update(list(inherited.parameters)[: len(positional)])
    others = {name: p for name, p in inherited.parameters.items() if name not in named.keys() | given}
    return Signature({**named, **others}, open=inherited.open or call is None)


class WholeSignature:
    """The result of `inspect.signature`, and so of `help`, for a class whose constructor passes on `*args` and `**kwargs`.

    It includes the parameters of the parents that they are passed to.
    """

    def __get__(self, instance: Any, owner: type) -> inspect.Signature | None:
        constructor = _init_of(owner)
        if instance is not None or constructor is object.__init__:
            return None  # `inspect.signature` then reads the constructor
        kinds = {parameter.kind for parameter in inspect.signature(constructor).parameters.values()}
        found = signature_of(owner) if kinds.issuperset(_VARIADIC) else None
        return None if found is None or found.open else inspect.Signature(list(found.parameters.values()))


def _init_of(cls: type) -> Callable[..., Any]:
    return cast("Callable[..., Any]", getattr(cls, "__init__"))  # noqa: B009  # mypy distrusts `cls.__init__`


def _is_built_from_config(base: type) -> bool:
    """Whether a parent class is derived from `FromParams` and is not one of the two mixins themselves."""
    return hasattr(base, "from_params") and base.__name__ not in ("FromParams", "Registrable")


def _own_parameters(constructor: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        signature = inspect.signature(constructor)
    except (ValueError, TypeError):  # built in C, without a signature
        return {"kwargs": inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)}
    function = inspect.unwrap(constructor)
    function = getattr(function, "__func__", function)
    parameters = dict(signature.parameters)
    if not inspect.ismethod(constructor):
        parameters.pop("self", None)
    return {
        name: parameter.replace(annotation=_resolved(parameter.annotation, function))
        for name, parameter in parameters.items()
    }


def _resolved(annotation: Any, function: Any) -> Any:
    """An annotation with its strings evaluated; left as it is where a name cannot be found."""
    if annotation is inspect.Parameter.empty:
        return annotation
    # one annotation at a time: an unresolvable name must not affect the others
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(
            holder, globalns=getattr(function, "__globals__", {}), include_extras=True
        ).get("it", annotation)
    # third-party annotations may raise anything; it matters only to a config that uses the parameter
    except Exception:
        return annotation


def _call_with_kwargs(
    constructor: Callable[..., Any], is_wanted: Callable[[ast.Call], bool]
) -> ast.Call | None:
    """The call that a constructor passes its `**kwargs` to, if it does nothing else with them.

    Then nothing but what is called can take a key that the constructor does not name.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(constructor))))
    except (OSError, TypeError, SyntaxError):
        return None
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef) or function.args.kwarg is None:
        return None
    name = function.args.kwarg.arg
    uses = sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(function))
    calls = [
        call
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and is_wanted(call)
        for keyword in call.keywords
        if keyword.arg is None and isinstance(keyword.value, ast.Name) and keyword.value.id == name
    ]
    return calls[0] if uses == len(calls) == 1 else None


def _is_call_of_parent(call: ast.Call) -> bool:
    """Whether a call is `super().__init__(...)`, or `Parent.__init__(...)`."""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "__init__"


def _is_call_of_class(call: ast.Call) -> bool:
    """Whether a call is `cls(...)`."""
    return isinstance(call.func, ast.Name) and call.func.id == "cls"


def resolve_annotations(function: Any) -> None:
    """Evaluate the string annotations of a function in place, for callers of `inspect.signature`.

    Annotations that name something undefined, or defined only for type checkers, stay strings.
    """
    function = getattr(function, "__func__", function)
    signature, outer = getattr(function, "__signature__", None), function
    function = inspect.unwrap(function)
    if isinstance(signature, inspect.Signature):  # what `inspect.signature` reads instead of the annotations
        parameters = [
            parameter.replace(annotation=_resolved(parameter.annotation, function))
            for parameter in signature.parameters.values()
        ]
        outer.__signature__ = signature.replace(parameters=parameters)
    annotations = getattr(function, "__annotations__", None)
    if not isinstance(annotations, dict):
        return
    for name, annotation in annotations.items():
        if isinstance(annotation, str):
            annotations[name] = _resolved(annotation, function)


def takes_arg(obj: Any, arg: str) -> bool:
    """Whether a class's constructor, or a function, has a parameter named `arg`.

    Raises:
        ConfigurationError: `obj` is neither.
    """
    return arg in inspect.signature(_callable_of(obj)).parameters


def takes_kwargs(obj: Any) -> bool:
    """Whether a class's constructor, or a function, has `**kwargs`.

    Raises:
        ConfigurationError: `obj` is neither.
    """
    parameters = inspect.signature(_callable_of(obj)).parameters.values()
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)


def _callable_of(obj: Any) -> Callable[..., Any]:
    if isinstance(obj, type):
        return _init_of(obj)
    if inspect.ismethod(obj) or inspect.isfunction(obj):
        return obj
    raise ConfigurationError(f"expected a class, a function or a method, got {obj!r}")


def is_union(annotation: Any) -> bool:
    """Whether this is `Union[...]`, `Optional[...]` or `X | Y`."""
    return typing.get_origin(annotation) in (Union, types.UnionType)


def remove_optional(annotation: Any) -> Any:
    """The annotation without `None`, if it is a union."""
    if not is_union(annotation):
        return annotation
    return Union[tuple(member for member in typing.get_args(annotation) if member is not type(None))]
