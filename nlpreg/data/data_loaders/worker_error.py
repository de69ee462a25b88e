"""The error of a worker process."""

from __future__ import annotations

from collections.abc import Sequence


class WorkerError(Exception):
    """Something went wrong in a worker of a data loader.

    Args:
        original_err_repr: the error as `repr` shows it.
        traceback: where in the worker it was raised, as one text or as lines.
    """

    def __init__(self, original_err_repr: str, traceback: str | Sequence[str]) -> None:
        text = traceback if isinstance(traceback, str) else "".join(traceback)
        super().__init__(
            f"a worker of the data loader raised {original_err_repr}\n\nTraceback from the worker:\n{text}"
        )
        self.original_err_repr = original_err_repr
        self.traceback = traceback

    def __reduce__(self) -> tuple[type[WorkerError], tuple[str, str | Sequence[str]]]:
        return type(self), (self.original_err_repr, self.traceback)
