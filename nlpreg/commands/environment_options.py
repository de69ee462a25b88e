"""Options that reach every part of the program, and the processes that it starts, as environment variables."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator

__all__ = ["environment_of"]

VARIABLES = {"debug": "NLPREG_DEBUG", "no_cache": "NLPREG_NO_CACHE"}
"""The variable of each option."""


@contextlib.contextmanager
def environment_of(args: argparse.Namespace) -> Iterator[None]:
    """Set the variables of the options that are given, for the length of a command.

    Args:
        args: options, any of which may be missing.
    """
    given = [variable for option, variable in VARIABLES.items() if getattr(args, option, False)]
    before = {variable: os.environ.get(variable) for variable in given}
    os.environ.update(dict.fromkeys(given, "1"))
    try:
        yield
    finally:
        for variable, value in before.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value
