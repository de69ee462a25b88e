"""`Lazy[T]`: checked now, built when what it needs is ready."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from nlpreg.common.config.untrusted import guarded
from nlpreg.common.params import Params

T = TypeVar("T")


class Lazy(Generic[T]):
    """A class and its section of the config, to be built later with arguments that do not exist yet.

    In a constructor's signature `optimizer: Lazy[Optimizer]` means: the config is checked with everything else, and
    the constructor calls `optimizer.construct(model_parameters=...)` when the model is there.

    Args:
        constructor: the class to build from a config, or a function to call.
        params: its section of the config; None for all defaults.
        constructor_extras: arguments known already.
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

    @property
    def constructor(self) -> type[T] | Callable[..., T]:
        """The class to build, or the function to call."""
        return self._constructor

    def construct(self, **kwargs: Any) -> T:
        """Build the object; can be called again for another one.

        Args:
            **kwargs: what was missing. For a class they are extras: a key that the config has too keeps the config's
                value, and those that no parameter is named after are left out.

        Raises:
            ConfigurationError: the section of the config is wrong.
        """
        arguments = {**self._constructor_extras, **kwargs}
        if isinstance(self._constructor, type):
            build = cast("Any", self._constructor).from_params
            with guarded(self._params.origin):  # also where a class has a `from_params` of its own
                return cast("T", build(params=copy.deepcopy(self._params), **arguments))
        return self._constructor(**arguments)
