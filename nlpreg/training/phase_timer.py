"""Where the time of a step goes, for whoever wants to know; nothing otherwise."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol


class PhaseTimer(Protocol):
    """Is told when a phase of a step begins and ends."""

    def phase(self, name: str) -> AbstractContextManager[Any]:
        """The context of one phase: `data`, `forward`, `backward`, `gradients`, `update`, `callbacks`, ..."""
        ...


class NoTimer:
    """Looks at no clock."""

    _nothing: AbstractContextManager[Any] = nullcontext()

    def phase(self, name: str) -> AbstractContextManager[Any]:
        """A context that does nothing."""
        return self._nothing
