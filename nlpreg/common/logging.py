"""Logging setup: a full `out.log` next to the results, and short lines on the console."""

import logging
import os
import re
import sys
from logging import Filter, Formatter, Handler, Logger, LogRecord
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from nlpreg.common.runtime.process import SigTermReceived

FILE_FRIENDLY_LOGGING: bool = False
"""Whether progress bars write complete lines; set by `--file-friendly-logging`, read whenever a bar is created."""
WITHOUT_BARS = False
"""Whether progress bars are hidden from the console, as with `--quiet`; they are still logged."""

_CHATTY_LOGGERS = ("nlpreg.common.params", "nlpreg.nn.initializers", "nlpreg.common.from_params", "tqdm")
"""Loggers whose INFO lines appear on the console only with `--verbose`."""

_installed: list[Handler] = []


class NlpregLogger(Logger):
    """A logger with `warning_once` and similar methods, which log each message at most once."""

    def __init__(self, name: str, level: int = logging.NOTSET) -> None:
        super().__init__(name, level)
        self._logged: set[str] = set()

    def _once(self, level: int, msg: object, args: tuple[object, ...], kwargs: dict[str, Any]) -> None:
        if str(msg) in self._logged:
            return
        self._logged.add(str(msg))
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 2  # report the caller's line
        self.log(level, msg, *args, **kwargs)

    def debug_once(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log at DEBUG unless this text was logged before."""
        self._once(logging.DEBUG, msg, args, kwargs)

    def info_once(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log at INFO unless this text was logged before."""
        self._once(logging.INFO, msg, args, kwargs)

    def warning_once(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log at WARNING unless this text was logged before."""
        self._once(logging.WARNING, msg, args, kwargs)

    def error_once(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log at ERROR unless this text was logged before."""
        self._once(logging.ERROR, msg, args, kwargs)

    def critical_once(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log at CRITICAL unless this text was logged before."""
        self._once(logging.CRITICAL, msg, args, kwargs)


AllenNlpLogger = NlpregLogger
"""AllenNLP's name, for code that only changed the import."""

logging.setLoggerClass(NlpregLogger)


def get_logger(name: str) -> NlpregLogger:
    """Return the logger of that name; a logger created before this module was imported gets the `*_once` methods too."""
    logger = logging.getLogger(name)
    if not isinstance(logger, NlpregLogger):
        logger.__class__ = NlpregLogger
        vars(logger)["_logged"] = set()
    assert isinstance(logger, NlpregLogger)
    return logger


def printable(text: str) -> str:
    """Escape control characters, with which a file could move the cursor or change the colours of a terminal."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def tell(logger: Logger, message: str, *args: object) -> None:
    """Log a line at INFO or, if logging is not configured, as in a script or a notebook, write it to standard error.

    Args:
        logger: the logger.
        message: as in `Logger.info`.
        *args: as in `Logger.info`.
    """
    if logger.hasHandlers():
        logger.info(message, *args)
    elif not WITHOUT_BARS and logger.getEffectiveLevel() <= logging.WARNING:
        print(message % args if args else message, file=sys.stderr)


class ErrorFilter(Filter):
    """Lets records below ERROR pass."""

    def filter(self, record: LogRecord) -> bool:
        """Whether `record` is below ERROR."""
        return record.levelno < logging.ERROR


def _is_wanted(record: LogRecord) -> bool:
    """Whether a record is a warning, or comes from a logger that is not chatty."""
    return record.levelno > logging.INFO or record.name not in _CHATTY_LOGGERS


class ConsoleFormatter(Formatter):
    """Formats the message alone, prefixed with the level from WARNING on."""

    def format(self, record: LogRecord) -> str:
        """One record as a console line."""
        text = printable(super().format(record))
        return f"{record.levelname.lower()}: {text}" if record.levelno >= logging.WARNING else text


if TYPE_CHECKING:
    _TextHandler = logging.StreamHandler[TextIO]
else:
    _TextHandler = logging.StreamHandler  # takes no type argument on Python 3.10


class ConsoleHandler(_TextHandler):
    """Writes to a terminal that may show a progress bar, which is redrawn below the new line."""

    def emit(self, record: LogRecord) -> None:
        """Write one record."""
        from tqdm import tqdm

        with tqdm.external_write_mode(file=self.stream):
            super().emit(record)

    def handleError(self, record: LogRecord) -> None:
        """Record that standard output cannot be written; broken pipes are ignored."""
        global _output_error
        error = sys.exc_info()[1]
        if (
            isinstance(error, OSError)
            and not isinstance(error, BrokenPipeError)
            and self.stream is sys.stdout
        ):
            _output_error = error
        super().handleError(record)


_output_error: OSError | None = None


def take_output_error() -> OSError | None:
    """Return and clear the last error in writing log lines to standard output, such as a full disk."""
    global _output_error
    error, _output_error = _output_error, None
    return error


def prepare_global_logging(
    serialization_dir: str | os.PathLike[str],
    rank: int = 0,
    world_size: int = 1,
    *,
    console_level: int | str | None = None,
) -> None:
    """Send the logs of this process to a file in `serialization_dir`, and those of the first rank to the console.

    The file `out.log` (`out_worker<rank>.log` with several processes) has every record in full. On the console records below
    ERROR go to standard output and the others to standard error, as short lines. The level is DEBUG if `NLPREG_DEBUG` is set,
    else what `NLPREG_LOG_LEVEL` says, else INFO. Uncaught exceptions are logged.

    Args:
        serialization_dir: an existing folder.
        rank: of this process, from 0.
        world_size: number of processes.
        console_level: lowest level shown on the console; with DEBUG, chatty loggers are shown too. The general level
            unless given.
    """
    level = _as_level(
        "DEBUG" if os.environ.get("NLPREG_DEBUG") else os.environ.get("NLPREG_LOG_LEVEL", "INFO")
    )
    shown = level if console_level is None else _as_level(console_level)

    name = "out.log" if world_size == 1 else f"out_worker{rank}.log"
    rank_prefix = "" if world_size == 1 else f"{rank} | "
    file_handler = logging.FileHandler(Path(serialization_dir) / name, encoding="utf-8")
    file_handler.setFormatter(Formatter(rank_prefix + "%(asctime)s - %(levelname)s - %(name)s - %(message)s"))
    handlers: list[Handler] = [file_handler]

    if rank == 0:
        below_error, errors = ConsoleHandler(sys.stdout), ConsoleHandler(sys.stderr)
        below_error.addFilter(ErrorFilter())
        below_error.setLevel(shown)
        errors.setLevel(max(shown, logging.ERROR))
        if shown > logging.DEBUG:
            below_error.addFilter(_is_wanted)
        for console in (below_error, errors):
            console.setFormatter(ConsoleFormatter())
        handlers += [below_error, errors]

    root = logging.getLogger()
    release_global_logging()
    root.handlers[:] = handlers
    logging.getLogger("tqdm").addHandler(file_handler)
    root.setLevel(min(level, shown))
    file_handler.setLevel(level)
    _installed.extend(handlers)
    sys.excepthook = _log_uncaught


def release_global_logging() -> None:
    """Undo `prepare_global_logging`: remove its handlers and close its file."""
    root, bars = logging.getLogger(), logging.getLogger("tqdm")
    for handler in _installed:
        root.removeHandler(handler)
        bars.removeHandler(handler)
        try:
            handler.close()
        except OSError as error:  # the disk has no space for the remaining lines
            name = getattr(handler, "baseFilename", "the log")
            logging.getLogger(__name__).warning("%s: the end of the log is lost (%s)", name, error.strerror)
    _installed.clear()
    if sys.excepthook is _log_uncaught:
        sys.excepthook = sys.__excepthook__


def _as_level(level: int | str) -> int:
    if isinstance(level, int):
        return level
    number = logging.getLevelName(level.upper())
    if not isinstance(number, int):
        raise ValueError(f"log level: expected DEBUG, INFO, WARNING, ERROR or CRITICAL, got {level!r}")
    return number


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, (KeyboardInterrupt, SigTermReceived)):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger().critical("Uncaught exception", exc_info=(kind, error, trace))
