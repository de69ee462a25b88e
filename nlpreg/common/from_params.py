"""`FromParams`: construction of objects from a section of the config, driven by type hints."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.hints import WholeSignature, signature_of
from nlpreg.common.config.hints import remove_optional as remove_optional
from nlpreg.common.config.hints import takes_arg as takes_arg
from nlpreg.common.config.hints import takes_kwargs as takes_kwargs
from nlpreg.common.config.kinds import AnyOf, Built, Later, ListOf, MappingOf, Null, Scalar, TupleOf, kind_of
from nlpreg.common.config.nodes import Call
from nlpreg.common.config.problems import problems_error
from nlpreg.common.config.resolve import Resolver, accepted_by, plain
from nlpreg.common.config.untrusted import Origin, guarded
from nlpreg.common.lazy import Lazy as Lazy
from nlpreg.common.params import Params

T = TypeVar("T", bound="FromParams")


class FromParams:
    """Mixin that adds `from_params`, which builds an object from a config according to its constructor's annotations."""

    constructor_extras: ClassVar[frozenset[str] | None] = None
    """Names of the arguments that nlpreg passes itself to objects of this class that are built from a `Lazy`, so that a config
    does not need them. None if nothing is declared."""

    shares_extras: ClassVar[bool] = True
    """Whether objects inside one of this class get these arguments too if their constructors have them."""

    __signature__ = WholeSignature()

    @classmethod
    def from_params(
        cls: type[T],
        params: Params,
        constructor_to_call: Callable[..., T] | None = None,
        constructor_to_inspect: Callable[..., T] | None = None,
        **extras: Any,
    ) -> T:
        """Build an object, and everything inside it.

        The whole section is first checked against the annotations; nothing is constructed unless it is valid.

        Args:
            params: the section of the config; its keys are removed. A string is short for {"type": string}.
            constructor_to_call: what to call instead of the class.
            constructor_to_inspect: whose parameters to read instead of those of the class's `__init__`.
            **extras: objects that are not in the config, passed to every nested constructor that has a parameter of that name.

        Raises:
            ConfigurationError: the section is invalid; the message lists all problems (also a `TypeError` if a value has the
                wrong type).
        """
        if params is None:
            return cast("T", None)
        if isinstance(params, str):  # a name, the short form of {"type": name}
            params = Params({"type": params})
        if not isinstance(params, Params):
            raise ConfigurationError(
                f"{cls.__name__}.from_params: expected Params or a string, got {type(params).__name__} {params!r}"
            )
        resolver = Resolver(extras)
        path = params.history.rstrip(".")
        config = plain(params)
        origin = params.origin
        if origin is not None:
            # arguments of the caller are the user's choice; the config of an archive may not replace them
            config = {key: value for key, value in config.items() if key not in extras}
            origin = origin.allowing(extras)
        with guarded(origin):
            # `entry`: an override of this method that called it must not be called again
            if constructor_to_call is None:
                node = resolver.object(cls, config, path, entry=True)
            else:
                constructor = constructor_to_call if constructor_to_call is not cls else None
                node = resolver.call(cls, constructor, config, path)
            if resolver.problems:
                raise problems_error(resolver.problems)
            result = node.build(extras)
        params.params.clear()  # as in AllenNLP, where callers assert that all keys were used
        return cast("T", result)

    def _to_params(self) -> dict[str, Any]:
        """The section of the config that would build this object; subclasses may implement this.

        Raises:
            NotImplementedError: the class does not implement it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define _to_params")

    def to_params(self) -> Params:
        """The section of the config that would build this object, and those of the objects inside it."""

        def replaced(value: Any) -> Any:
            if isinstance(value, FromParams):
                return value.to_params().as_dict(quiet=True)
            if isinstance(value, Params):
                return replaced(value.as_dict(quiet=True))
            if isinstance(value, dict):
                return {key: replaced(item) for key, item in value.items()}
            if isinstance(value, (list, tuple, set)):
                return [replaced(item) for item in value]
            return value

        return Params(replaced(self._to_params()))


def can_construct_from_params(type_: Any) -> bool:
    """Whether values of this annotation are built from a config: scalars, `Lazy`, classes with `from_params`, and
    containers of such."""
    match kind_of(type_):
        case Scalar() | Later() | Built():
            return True
        case AnyOf(members=members) | TupleOf(items=members):
            return all(can_construct_from_params(m.annotation) for m in members if not isinstance(m, Null))
        case ListOf(item=item):
            return can_construct_from_params(item.annotation)
        case MappingOf(key=key, value=value):
            return all(can_construct_from_params(part.annotation) for part in (key, value))
    return False


def is_base_registrable(cls: type) -> bool:
    """Whether a class is the root of a family of registered ones."""
    from nlpreg.common.registrable import Registrable  # derived from `FromParams`

    return [base for base in cls.__mro__[1:] if issubclass(base, Registrable)] == [Registrable]


def infer_constructor_params(
    cls: type, constructor: Callable[..., Any] | None = None
) -> dict[str, inspect.Parameter]:
    """The parameters of a class's constructor, with those that its `**kwargs` pass on to its parents."""
    return dict(signature_of(cls, constructor).parameters)


infer_params = infer_constructor_params


def infer_method_params(cls: type, method: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The same for any method of the class."""
    return dict(signature_of(cls, method).parameters)


def create_extras(cls: Any, extras: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the extras that a class's `from_params` (or, without one, the class) accepts."""
    return accepted_by(cls, extras)


def create_kwargs(
    constructor: Callable[..., Any], cls: type, params: Params, **extras: Any
) -> dict[str, Any]:
    """The arguments for a constructor, built from `params`, whose keys are used up.

    Raises:
        ConfigurationError: something in `params` is wrong.
    """
    resolver = Resolver(extras)
    node = Call(cls, constructor, params.history.rstrip("."))
    own = None if constructor is getattr(cls, "__init__", None) else constructor
    with guarded(params.origin):
        resolver.arguments(node, signature_of(cls, own), plain(params))
        if resolver.problems:
            raise problems_error(resolver.problems)
        arguments = node.keyword_arguments(extras)
    params.params.clear()
    return arguments


def pop_and_construct_arg(
    class_name: str, argument_name: str, annotation: Any, default: Any, params: Params, **extras: Any
) -> Any:
    """Pop one argument from `params` and build it.

    Args:
        class_name: name of the class, for messages.
        argument_name: its key.
        annotation: its type.
        default: its value if the key is missing; `inspect.Parameter.empty` if it is required.
        params: the section of the config.
        **extras: as in `FromParams.from_params`.

    Raises:
        ConfigurationError: the value is wrong, or missing.
    """
    if argument_name not in params:
        if argument_name not in extras and default is inspect.Parameter.empty:
            raise ConfigurationError(
                f'key "{params.history}{argument_name}" is required by {class_name}, but missing'
            )
        return extras.get(argument_name, default)
    value = params.params.pop(argument_name)
    with guarded(params.origin):
        return construct_arg(
            class_name, f"{params.history}{argument_name}", value, annotation, default, **extras
        )


def construct_arg(
    class_name: str, argument_name: str, popped_params: Any, annotation: Any, default: Any, **extras: Any
) -> Any:
    """Build one argument from its value in the config.

    Args:
        class_name: name of the class.
        argument_name: its name or key path, for messages.
        popped_params: the value; sections may be plain dicts.
        annotation: its type.
        default: unused; AllenNLP's callers pass it.
        **extras: as in `FromParams.from_params`.

    Raises:
        ConfigurationError: the value does not fit the annotation.
    """
    resolver = Resolver(extras)
    parameter = inspect.Parameter("it", inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
    with guarded(_origin_of(popped_params)):
        node = resolver.argument(parameter, popped_params, argument_name, type(class_name, (), {}))
        if resolver.problems:
            raise problems_error(resolver.problems)
        return node.build(extras)


def _origin_of(value: Any) -> Origin | None:
    """The origin of the first `Params` in a value: a section, or a list of them."""
    if isinstance(value, Params):
        return value.origin
    items = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    )
    return next((origin for origin in map(_origin_of, items) if origin is not None), None)
