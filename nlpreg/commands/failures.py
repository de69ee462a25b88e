"""Error reports of commands: a short message and an exit status; a traceback only with `--debug`."""

import argparse
import contextlib
import errno
import inspect
import linecache
import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from nlpreg.commands.console import console, log_to_files
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.nodes import path_of
from nlpreg.common.logging import printable, take_output_error
from nlpreg.common.runtime.process import SigTermReceived, install_sigterm_handler

FAILURE = 1
USER_MISTAKE = 2
RESUME_ME = 75
"""EX_TEMPFAIL of sysexits.h: a temporary failure, here a run that `-r` can resume."""
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143

_CALL = re.compile(r"([\w.<>]+)\.(\w+)\(\) (?:takes|got|missing) ")
"""The beginning of Python's message about wrong arguments of a method: the class, and the name."""

_PATH_REASONS: dict[type[OSError], str] = {
    FileNotFoundError: "there is no such file or folder",
    IsADirectoryError: "this is a folder, expected a file",
    NotADirectoryError: "this is a file, or lies below one; expected a folder",
    PermissionError: "no permission to read or write this",
    FileExistsError: "this already exists",
}


class WorkerFailure(Exception):
    """A process of a distributed run failed.

    Args:
        rank: rank of the process; None if a whole machine failed.
        reason: the message for the user.
        status: exit status of the command.
        trace: the traceback in that process, as text; empty if it was killed.
        machine: number of the machine, if the process ran on another one.
    """

    def __init__(
        self, rank: int | None, reason: str, status: int, trace: str = "", machine: int | None = None
    ) -> None:
        numbers = [("machine", machine), ("process", rank)]
        where = ", ".join(f"{name} {number}" for name, number in numbers if number is not None)
        super().__init__(f"{where}: {reason}")
        self.rank = rank
        self.reason = reason
        self.status = status
        self.trace = trace
        self.machine = machine


def run_reporting_failures(args: argparse.Namespace, action: Callable[[], None]) -> int:
    """Run a command, report its errors, and return the exit status.

    Args:
        args: the parsed command line.
        action: runs the command.

    Raises:
        SystemExit: the command ended the process itself.
    """
    with console(args), _sigterm_as_exception():
        is_done = False
        try:
            take_output_error()
            action()
            is_done = True
            sys.stdout.flush()
            if (lost := take_output_error()) is not None:
                raise lost
            return 0
        except BrokenPipeError:  # the reader of the output, such as `head`, has exited
            _discard_output()
            return BROKEN_PIPE
        except (KeyboardInterrupt, SigTermReceived) as error:
            # a command that has finished was not interrupted
            return 0 if is_done else report_interruption(error)
        except Exception as error:
            if _is_about_output(error):  # Python would try to flush the output again at exit
                _discard_output()
            return _report(error, args)


def report_interruption(error: KeyboardInterrupt | SigTermReceived) -> int:
    """Report an interruption and how to resume the command; return the exit status."""
    hint = getattr(error, "how_to_continue", "")
    is_request = isinstance(error, SigTermReceived)
    _print(("ended on request" if is_request else "interrupted") + (f"; {hint}" if hint else ""))
    if is_request:
        return RESUME_ME if hint else TERMINATED
    return INTERRUPTED


def describe(error: BaseException) -> tuple[str, int]:
    """The message for the user and the exit status for an error."""
    if isinstance(error, WorkerFailure):
        return str(error), error.status
    place = getattr(error, "config_path", "")
    if isinstance(error, ConfigurationError):
        text = str(error)
        is_about_data = place.endswith("data_loader")  # its reader's messages name file and line
        is_named = f"\n{text}".replace("\n  ", "\n").find(f"\n{place}") >= 0
        return (text if not place or is_about_data or is_named else f"{place}: {text}"), USER_MISTAKE
    if isinstance(error, OSError) and isinstance(error, tuple(_PATH_REASONS)):
        return _path_message(error), USER_MISTAKE
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return f"{error.filename}: cannot be written, since the file system is read-only", USER_MISTAKE
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{error.filename or 'standard output'}: no space left on the disk; free some and run again",
            FAILURE,
        )
    if isinstance(error, UnicodeDecodeError):
        return f"a file is not {error.encoding.upper()}: {error}; convert it first", USER_MISTAKE
    if isinstance(error, ImportError) and "pip install" in str(error):
        return str(error), USER_MISTAKE
    if isinstance(error, RecursionError):
        return "something is nested too deeply, a config or JSON data most likely", FAILURE
    if isinstance(error, ValueError) and str(error).startswith("embedded null"):
        return "a path contains a NUL character, which file names cannot", USER_MISTAKE
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        reason = f": {str(error).splitlines()[0]}" if str(error) else ""
        return f"out of memory{reason}; a smaller batch, or shorter sequences, need less", FAILURE
    if place and isinstance(error, (ValueError, TypeError, AssertionError)):
        return f"{place}: {error or type(error).__name__}", USER_MISTAKE
    text = f"{type(error).__name__}: {str(error).strip() or 'no message'}"
    return f"{place}: {text}" if place and place not in text else text, FAILURE


@contextlib.contextmanager
def _sigterm_as_exception() -> Iterator[None]:
    """Raise an exception on SIGTERM within the block, so that `finally` blocks run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.getsignal(signal.SIGTERM)
    install_sigterm_handler()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier if earlier is not None else signal.SIG_DFL)


def _report(error: Exception, args: argparse.Namespace) -> int:
    message, status = describe(error)
    log_to_files(message + getattr(error, "trace", ""), error)
    if getattr(args, "debug", False) or os.environ.get("NLPREG_DEBUG"):
        traceback.print_exception(error, file=sys.stderr)
        print(getattr(error, "trace", ""), end="", file=sys.stderr)
    else:
        # code of the user may have called nlpreg's classes incorrectly
        if _is_programs_error(error) or isinstance(error, ConfigurationError):
            lines = lines_about_users_code(error)
            if hasattr(error, "while_reading") and _should_say_what_was_read(error, lines):
                lines.append(f"while reading {error.while_reading}")
            message = "\n  ".join(lines)
        if hasattr(error, "hint"):
            message += f"\n  {error.hint}"
        if status == FAILURE:
            log = _run_log()
            where = (
                "--debug shows where this comes from"
                if log is None
                else f"whole traceback: {log}, or --debug"
            )
            message += f"\n({where})"
    _print(f"error: {message}")
    return status


def _should_say_what_was_read(error: BaseException, lines: list[str]) -> bool:
    """Whether the place in the data is not in the message of an error; nlpreg's readers name file and line."""
    return (_is_programs_error(error) or len(lines) > 1) and ", line " not in lines[0]


def _is_programs_error(error: BaseException) -> bool:
    """Whether an error is a bug in code rather than a problem of a config, a file or the disk."""
    return not isinstance(
        error, (ConfigurationError, OSError, UnicodeDecodeError, ImportError, WorkerFailure)
    )


def lines_about_users_code(error: BaseException) -> list[str]:
    """The message of an error, and the innermost frame in code of the user, that is, not of nlpreg, torch or Python.

    Returns:
        The message, with the key path of the part of the config whose code it is; a line such as `my_parts.py:31, in
        forward: return self.proj(x)`, and a line with the shapes of the local variables that are tensors. For a method that
        takes other arguments than nlpreg passes, its definition and the one to match. Only the message if no code of the
        user is involved.
    """
    message, _ = describe(error)
    library_folders = tuple(
        os.path.join(os.path.dirname(str(module.__file__)), "")
        for module in (*map(sys.modules.get, ("nlpreg", "torch", "numpy", "tqdm")), os)
        if module is not None
    )
    packages = f"{os.sep}site-packages{os.sep}"
    found = None
    part = part_there = ""
    frames = list(traceback.walk_tb(error.__traceback__))
    # an error of `text_to_instance`, to which a reader adds the place in the data
    if isinstance(error.__cause__, ValueError):
        frames += traceback.walk_tb(error.__cause__.__traceback__)
    for frame, line in frames:
        file = frame.f_code.co_filename
        # an object without a section in the config, such as a layer, belongs to the part that calls it
        part = path_of(frame.f_locals.get("self")) or part
        # Python's own folder contains site-packages, where plugins may be installed
        is_library = any(
            file.startswith(folder) and (packages in folder or packages not in file)
            for folder in library_folders
        )
        if not is_library and not file.startswith("<"):
            found, part_there = (frame, line), part
    if found is None:
        return [message, *_definition_of_called(error, frames)]
    if part_there:
        # in place of the path of the outer constructor, such as that of the data loader
        outer = f"{getattr(error, 'config_path', '')}: "
        message = f"{part_there}: {message.removeprefix(outer)}"
    frame, line = found
    file = frame.f_code.co_filename
    source = linecache.getline(file, line).strip()
    lines = [
        message,
        f"{os.path.basename(file)}:{line}, in {frame.f_code.co_name}" + (f": {source}" if source else ""),
    ]
    shapes = [
        f"{name} {tuple(value.shape)}"
        for name, value in frame.f_locals.items()
        if type(value).__module__.startswith("torch") and hasattr(value, "shape")
    ]
    if shapes:
        lines.append(f"tensors there: {', '.join(shapes)}")
    return lines


def _definition_of_called(error: BaseException, frames: Sequence[tuple[FrameType, int]]) -> Iterator[str]:
    """Where a method of the user is defined that nlpreg could not call, such as a `get_metrics` without `reset`."""
    called = _CALL.match(str(error)) if isinstance(error, TypeError) else None
    if called is None or not frames:
        return
    class_name, method = called.groups()
    classes = [cls for value in frames[-1][0].f_locals.values() for cls in type(value).__mro__]
    for cls in classes:
        code = getattr(vars(cls).get(method), "__code__", None)
        if cls.__qualname__ == class_name and code is not None and not cls.__module__.startswith("nlpreg."):
            break
    else:
        return
    line = linecache.getline(code.co_filename, code.co_firstlineno).strip()
    yield f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}, in {cls.__name__}: {line}"
    for base in cls.__mro__[1:]:
        if base.__module__.startswith("nlpreg.") and method in vars(base):
            parameters = inspect.signature(vars(base)[method]).parameters.values()
            bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
            yield f"{base.__name__} has: def {method}{inspect.Signature(bare)}"
            return


def _run_log() -> str | None:
    """The shortest path of the run's `out.log`, if it exists."""
    for handler in logging.getLogger().handlers:
        if (
            isinstance(handler, logging.FileHandler)
            and os.path.basename(handler.baseFilename) == "out.log"
            and _is_still_there(handler)
        ):
            return min(handler.baseFilename, os.path.relpath(handler.baseFilename), key=len)
    return None


def _is_still_there(handler: logging.FileHandler) -> bool:
    """Whether the log file still exists; it is deleted if a run fails before it replaces an earlier one."""
    if handler.stream is None:  # nothing was logged
        return False
    try:
        return os.path.samestat(os.stat(handler.baseFilename), os.fstat(handler.stream.fileno()))
    except OSError:
        return False


def _path_message(error: OSError) -> str:
    if not isinstance(error.filename, (str, bytes, os.PathLike)):
        return str(error)
    reason = next(text for kind, text in _PATH_REASONS.items() if isinstance(error, kind))
    return f"{os.fsdecode(error.filename)}: {reason}"


def _print(message: str) -> None:
    with contextlib.suppress(OSError):  # standard error is a broken pipe, or its disk is full
        print(printable(f"nlpreg: {message}"), file=sys.stderr, flush=True)


def _is_about_output(error: BaseException) -> bool:
    """Whether writing to standard output failed, for example because the disk is full."""
    if not isinstance(error, OSError):
        return False
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False


def _discard_output() -> None:
    """Redirect standard output to the null device, so that Python reports no error when it flushes the output at exit."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError):  # standard output has no file descriptor
        pass
