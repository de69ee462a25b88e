"""Progress bars: one updated line on a terminal, complete lines at long intervals in a file, and a line every ten seconds in
the log."""

import logging
import os
import sys
import threading
import time
from typing import Any, TextIO

from tqdm import tqdm as _tqdm

from nlpreg.common import logging as common_logging

logger = logging.getLogger("tqdm")
logger.propagate = False

_SECONDS_BETWEEN_LOG_LINES = 10.0
_SECONDS_BETWEEN_REFRESHES = {"terminal": 0.1, "file-friendly": 2.0, "file": 10.0}
_MIN_BAR_WIDTH, _MAX_BAR_WIDTH = 8, 24
"""Width of the bar in columns, if there is space for it."""
SECONDS_BEFORE_FIRST = {"terminal": 0.3, "file-friendly": 0.0, "file": 10.0}
"""Delay in seconds before a bar appears."""


class Tqdm:
    """Creates progress bars that suit the destination of standard error.

    On a terminal the bar stays on one line and disappears at the end. With `--file-friendly-logging`, or where standard error
    is a file or a pipe, each refresh is a line of its own, and refreshes are rarer. In a notebook it is a widget of
    `tqdm.auto`. Every ten seconds and at the end the bar's text also goes to the logger "tqdm", which only log files listen to.
    """

    @staticmethod
    def tqdm(*args: Any, **kwargs: Any) -> Any:
        """Create a bar with tqdm's arguments; keyword arguments override the defaults of this class."""
        if common_logging.FILE_FRIENDLY_LOGGING:
            place = "file-friendly"
        elif _is_notebook() and not common_logging.WITHOUT_BARS:
            from tqdm.auto import tqdm

            return tqdm(*args, **{"leave": False, "dynamic_ncols": True, **kwargs})
        else:
            place = "terminal" if is_terminal(sys.stderr) else "file"
        defaults: dict[str, Any] = {
            "mininterval": _SECONDS_BETWEEN_REFRESHES[place],
            "delay": SECONDS_BEFORE_FIRST[place],
        }
        if common_logging.WITHOUT_BARS:
            defaults.update(file=_NullStream(), delay=0.0)
        elif place == "terminal":
            defaults.update(dynamic_ncols=True, leave=False)
        else:
            # long enough that tqdm's monitor thread does not refresh bars between log lines
            defaults.update(file=_LinePerRefresh(sys.stderr), maxinterval=max(10.0, defaults["mininterval"]))
        return _LoggingBar(*args, **{**defaults, **kwargs})

    @staticmethod
    def set_lock(lock: Any) -> None:
        """Set the lock for writing, for several processes that share a terminal."""
        _LoggingBar.set_lock(lock)

    @staticmethod
    def get_lock() -> Any:
        """The lock that bars write under."""
        return _LoggingBar.get_lock()


class _LoggingBar(_tqdm):  # type: ignore[misc]  # tqdm has no annotations
    """A bar that periodically writes its text to the log."""

    # tqdm's default lock is shared with forked processes: one that is killed while holding it blocks all others forever
    _lock = threading.RLock()
    _logged_at = 0.0

    @staticmethod
    def format_meter(
        n: float,
        total: float | None,
        elapsed: float,
        ncols: int | None = None,
        prefix: str = "",
        ascii: bool | str = False,
        unit: str = "it",
        unit_scale: bool | float = False,
        rate: float | None = None,
        bar_format: str | None = None,
        postfix: str | None = None,
        **others: Any,
    ) -> str:
        """The text of a bar, such as `training: 45% 120/266, 31.2 batch/s, 00:05 left, loss 0.5120`.

        The counts come first and are never truncated at 60 columns or more, then as many items of `postfix` as fit, then a bar
        if there is space left.
        """
        if bar_format is not None or unit_scale:
            text: str = _tqdm.format_meter(
                n, total, elapsed, ncols, prefix, ascii, unit, unit_scale, rate, bar_format, postfix, **others
            )
            return text
        speed = rate or (n / elapsed if elapsed else 0.0)
        name = prefix.removesuffix(": ")
        head = [f"{name}: " if name else "", f"{n / total:.0%} {n}/{total}" if total else f"{n}"]
        pieces = [f", {speed:.1f} {unit}/s" if speed >= 1 or not speed else f", {1 / speed:.1f} s/{unit}"]
        if total:
            pieces.append(f", {_tqdm.format_interval((total - n) / speed) if speed else '?'} left")
        else:
            pieces.append(f", {_tqdm.format_interval(elapsed)}")
        line = "".join(head + pieces)
        for item in (postfix or "").split(", "):
            if item and (ncols is None or len(line) + len(item) + 2 <= ncols):
                line += f", {item}"
        room = min(_MAX_BAR_WIDTH, (ncols or 0) - len(line) - 4)
        if total and room >= _MIN_BAR_WIDTH:
            full = round(room * min(n / total, 1.0))
            signs = "#-" if ascii else "█░"
            line += f"  |{signs[0] * full}{signs[1] * (room - full)}|"
        return line[:ncols] if ncols else line

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        shown = super().display(msg, pos)
        now = time.monotonic()
        done = self.total is not None and self.n >= self.total
        if self.n and (done or now - self._logged_at >= _SECONDS_BETWEEN_LOG_LINES) and logger.handlers:
            self._logged_at = now
            logger.info(msg or str(self))
        return bool(shown)


def _free_lock() -> None:
    """In a forked process, replace a lock that may be held by a thread of the parent."""
    free = getattr(_LoggingBar.get_lock(), "_at_fork_reinit", None)
    if free is not None:  # a lock for several processes may have been set
        free()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_lock)


class _LinePerRefresh:
    """A stream that replaces a bar's carriage returns by line feeds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None)

    def write(self, text: str) -> None:
        line = text.replace("\r", "").strip()
        if line:
            self._stream.write(line + "\n")

    def flush(self) -> None:
        self._stream.flush()


class _NullStream:
    """A null stream, for a bar that is only logged."""

    encoding = "utf-8"

    def write(self, text: str) -> None:
        pass

    def flush(self) -> None:
        pass


def _is_notebook() -> bool:
    """Whether the process is a notebook kernel, where bars are widgets."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is an open terminal."""
    return bool(stream is not None and not stream.closed and stream.isatty())
