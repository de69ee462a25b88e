"""Console output of commands: log lines on standard error, and tables of results."""

import argparse
import contextlib
import logging
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TextIO

from nlpreg.commands.options import environment_of
from nlpreg.common import logging as common_logging
from nlpreg.common.logging import (
    ConsoleFormatter,
    ConsoleHandler,
    prepare_global_logging,
    release_global_logging,
)

_CONSOLE_LOGGERS = ("nlpreg.commands", "nlpreg.console")
"""Loggers whose INFO lines are shown on the console; those of other loggers need `--verbose`."""

_console_level = logging.INFO
_is_verbose = False


class _ConsoleFilter(logging.Filter):
    """Passes warnings, and INFO lines of `_CONSOLE_LOGGERS`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show `record` on the console."""
        return record.levelno >= logging.WARNING or any(
            record.name == name or record.name.startswith(name + ".") for name in _CONSOLE_LOGGERS
        )


@contextlib.contextmanager
def console(args: argparse.Namespace) -> Iterator[None]:
    """Context manager that sets up console logging for a command according to its options and restores it at the end.

    Lines go to standard error, so that standard output has only results, until `prepare_run_logging` changes this.

    Args:
        args: options with `verbose`, `quiet` and `debug`, each of which may be missing.
    """
    global _console_level, _is_verbose
    before = (_console_level, _is_verbose)
    _is_verbose = bool(getattr(args, "verbose", False) or getattr(args, "debug", False))
    _console_level = logging.ERROR if getattr(args, "quiet", False) else logging.INFO
    root = logging.getLogger()
    handlers, level, show, hook = list(root.handlers), root.level, warnings.showwarning, sys.excepthook
    handler = ConsoleHandler(sys.stderr)
    handler.setFormatter(ConsoleFormatter())
    handler.setLevel(_console_level)
    _add_filter(handler)
    root.addHandler(handler)
    root.setLevel(min(logging.INFO, _console_level))
    warnings.showwarning = _log_warning
    raises, is_without_bars = logging.raiseExceptions, common_logging.WITHOUT_BARS
    # no traceback if a log cannot be written because of a full disk or a broken pipe
    logging.raiseExceptions = bool(getattr(args, "debug", False))
    common_logging.WITHOUT_BARS = _is_quiet()
    try:
        with environment_of(args):
            yield
    finally:
        release_global_logging()
        root.handlers[:] = handlers
        root.setLevel(level)
        warnings.showwarning, sys.excepthook = show, hook
        logging.raiseExceptions, common_logging.WITHOUT_BARS = raises, is_without_bars
        _console_level, _is_verbose = before


def prepare_run_logging(serialization_dir: str, rank: int = 0, world_size: int = 1) -> None:
    """Log everything to the folder of a run, and to the console according to the options of the command.

    Args:
        serialization_dir: an existing folder.
        rank: rank of this process; only the first one logs to the console.
        world_size: number of processes.
    """
    prepare_global_logging(serialization_dir, rank, world_size, console_level=_console_level)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, ConsoleHandler):
            _add_filter(handler)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Context manager that suppresses warnings and log messages."""
    before = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


def verbosity() -> tuple[int, bool]:
    """The log level of the console and whether it is verbose, for `set_verbosity` in another process."""
    return _console_level, _is_verbose


def set_verbosity(level: int, is_verbose: bool) -> None:
    """Apply the result of `verbosity` of the parent process."""
    global _console_level, _is_verbose
    _console_level, _is_verbose = level, is_verbose
    common_logging.WITHOUT_BARS = _is_quiet()


def _is_quiet() -> bool:
    """Whether the console shows only results and errors."""
    return _console_level > logging.INFO


def log_to_files(message: str, error: BaseException) -> None:
    """Log an error with its traceback to `out.log`, if there is one, but not to the console."""
    trace: tuple[type[BaseException], BaseException, TracebackType | None] = (
        type(error),
        error,
        error.__traceback__,
    )
    record = logging.LogRecord(__name__, logging.CRITICAL, __file__, 0, message, (), trace)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)


def format_value(value: Any) -> str:
    """Format a metric: four decimals, or four significant digits for very small and large numbers; other values with `str`."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    if value == 0 or 0.01 <= abs(value) < 1e9:
        return f"{value:,.4f}" if abs(value) >= 10_000 else f"{value:.4f}"
    return f"{value:.4g}"


def metrics_block(title: str, columns: Mapping[str, Mapping[str, Any]]) -> str:
    """Format metrics as a table, with a row for each name and a column for each data set.

    Precision, recall and F1 of single labels, from `verbose_metrics` of taggers, are shown in a separate table for each
    data set, with a row for each label.

    Args:
        title: line above the table.
        columns: heading -> metric name -> value; missing metrics are left blank.
    """
    columns = {heading: values for heading, values in columns.items() if values}
    by_label = {heading: _scores_by_label(values) for heading, values in columns.items()}
    columns = {
        heading: {name: value for name, value in values.items() if name not in by_label[heading][1]}
        for heading, values in columns.items()
    }
    names = list(dict.fromkeys(name for values in columns.values() for name in values))
    headings = list(columns)
    rows = [
        [name, *(format_value(columns[h][name]) if name in columns[h] else "" for h in headings)]
        for name in names
    ]
    header = ["", *headings] if headings != [""] else None
    lines = [title, *(f"  {line}" for line in table(rows, header))]
    for heading, (scores, _) in by_label.items():
        if scores:
            lines.append(f"by label, {heading}" if heading else "by label")
            cells = [[label, *map(format_value, values)] for label, values in scores.items()]
            lines += [f"  {line}" for line in table(cells, ["", "precision", "recall", "F1"])]
    return "\n".join(lines)


_SCORE_OF_LABEL = re.compile(r"(precision|recall|f1-measure)-(.+)|(.+)-(precision|recall|fscore)", re.DOTALL)


def _scores_by_label(metrics: Mapping[str, Any]) -> tuple[dict[str, list[float]], set[str]]:
    """Precision, recall and F1 of each label that has all three, and the names of these metrics."""
    scores: dict[str, dict[str, tuple[str, float]]] = {}
    for name, value in metrics.items():
        match = _SCORE_OF_LABEL.fullmatch(name)
        if match is not None and isinstance(value, (int, float)):
            label = match[2] or match[3]
            kind = {"f1-measure": "f1", "fscore": "f1"}.get(match[1] or match[4], match[1] or match[4])
            scores.setdefault(label, {})[kind] = name, value
    scores.pop("overall", None)
    complete = {
        label: [found[kind] for kind in _KINDS]
        for label, found in scores.items()
        if len(found) == len(_KINDS)
    }
    names = {name for found in complete.values() for name, _ in found}
    return {label: [value for _, value in found] for label, found in complete.items()}, names


_KINDS = ("precision", "recall", "f1")


def table(
    rows: Sequence[Sequence[str]], header: Sequence[str] | None = None, has_numbers: bool = True
) -> list[str]:
    """Format the lines of a table: the first column left-aligned, the others right-aligned if they have numbers."""
    everything = rows if header is None else [header, *rows]
    widths = [max(map(len, column)) for column in zip(*everything, strict=True)]
    lines = []
    for first, *others in everything:
        cells = zip(others, widths[1:], strict=True)
        padded = [cell.rjust(width) if has_numbers else cell.ljust(width) for cell, width in cells]
        lines.append("  ".join([first.ljust(widths[0]), *padded]).rstrip())
    return lines


def _add_filter(handler: logging.Handler) -> None:
    if not _is_verbose:
        handler.addFilter(_ConsoleFilter())


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log a Python warning as a single line, without the source line."""
    text = " ".join(str(message).split())
    location = f" ({filename}:{lineno})" if _is_verbose else ""
    logging.getLogger("py.warnings").warning("%s%s", text, location)
