"""Calling what `torch.compile` cannot make anything good of."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

__all__ = ["run_uncompiled"]

P = ParamSpec("P")
R = TypeVar("R")


def run_uncompiled(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function; within a compiled model, by one break of the graph and as plain Python.

    For functions whose shapes depend on data, or whose loops the compiler would unroll anew for every length.
    (`torch.compiler.disable` as a decorator would load the compiler whenever nlpreg is imported.)

    Args:
        function: what to call.
        args: its arguments.
        kwargs: its named arguments.
    """
    if torch.compiler.is_compiling():
        uncompiled: Callable[P, R] = torch.compiler.disable(function)  # type: ignore[no-untyped-call]
        return uncompiled(*args, **kwargs)
    return function(*args, **kwargs)
