"""`Lazy[T]`: an argument that is checked with the config and constructed later."""

import copy
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, cast

from nlpreg.common.config.untrusted import guarded
from nlpreg.common.params import Params

T = TypeVar("T")


class ResolvedSection(Protocol):
    """Protocol of a checked section of the config, as `nlpreg.common.config.nodes.Node`, which may itself contain a `Lazy`."""

    def needed_extras(self) -> set[str]:
        """Names of the arguments that are needed to build it."""

    def build(self, extras: dict[str, Any]) -> Any:
        """Construct the object."""


class Lazy(Generic[T]):
    """A class and its section of the config, to be built later with arguments that do not exist yet.

    In a constructor's signature `optimizer: Lazy[Optimizer]` means: the config is checked with everything else, and
    the constructor calls `optimizer.construct(model_parameters=...)` when the model is there.

    Args:
        constructor: the class to build from a config, or a function to call.
        params: its section of the config; None for all defaults.
        constructor_extras: arguments that are already known.
        **kwargs: more of them.
    """

    def __init__(
        self,
        constructor: type[T] | Callable[..., T],
        params: Params | None = None,
        constructor_extras: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._constructor = constructor
        self._params = Params({}) if params is None else params
        self._constructor_extras = {**(constructor_extras or {}), **kwargs}
        self._node: ResolvedSection | None = None
        self._known: frozenset[str] = frozenset()
        self._resolved_params: Any = None

    @classmethod
    def resolved(
        cls,
        constructor: type[T] | Callable[..., T],
        params: Params,
        constructor_extras: dict[str, Any],
        node: ResolvedSection | None,
        known: frozenset[str],
    ) -> "Lazy[T]":
        """Make a `Lazy` from an already checked section, so that `construct` does not resolve it again.

        Args:
            constructor: as in the class.
            params: as in the class.
            constructor_extras: as in the class.
            node: the resolved section; None where it could not be resolved.
            known: names of the extras that it was resolved for.
        """
        lazy = cls(constructor, params, constructor_extras)
        lazy._node, lazy._known, lazy._resolved_params = node, known, copy.deepcopy(params.params)
        return lazy

    @property
    def constructor(self) -> type[T] | Callable[..., T]:
        """The class to build, or the function to call."""
        return self._constructor

    @property
    def params(self) -> Params:
        """The section of the config."""
        return self._params

    @property
    def constructor_extras(self) -> dict[str, Any]:
        """Arguments known already."""
        return self._constructor_extras

    def construct(self, **kwargs: Any) -> T:
        """Construct the object; each call returns a new one.

        Args:
            **kwargs: further arguments. For a class they are extras: values in the config take precedence, and arguments
                without a parameter of that name are ignored.

        Raises:
            ConfigurationError: the section of the config is wrong.
        """
        # arguments passed now take precedence over those known before
        arguments = {**self._constructor_extras, **kwargs}
        if isinstance(self._constructor, type):
            build = cast("Any", self._constructor).from_params
            origin = self._params.origin
            with guarded(origin):  # also for a class that overrides `from_params`
                # the resolved section is valid only for the same config and the expected extras
                node = self._node if origin is None and self._params.params == self._resolved_params else None
                if node is not None and node.needed_extras() <= arguments.keys() <= self._known:
                    return cast("T", node.build(arguments))
                return cast("T", build(params=copy.deepcopy(self._params), **arguments))
        return self._constructor(**arguments)
