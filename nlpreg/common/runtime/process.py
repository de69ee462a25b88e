"""This process: how it takes signals and ends, and which of several it is."""

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import NoReturn


class SigTermReceived(BaseException):
    """The process was asked to end. Like `KeyboardInterrupt`, no `except Exception` takes it for an error."""


_SECONDS_BETWEEN_LOOKS = 0.05
_SECONDS_FOR_IMPORTS = 30.0
_SECONDS_OF_ONE_REQUEST = 1.0
_first_deferred: dict[int, float] = {}
_last_raised: dict[int, float] = {}


def _raise_when_safe(number: int, frame: FrameType | None) -> None:
    """Raise what a signal means, or, while something is imported, send the signal again a moment later.

    Torch runs Python code from C++ code while it is imported, and aborts the process when that raises.
    """
    now = time.monotonic()
    if _is_importing(frame) and now - _first_deferred.setdefault(number, now) < _SECONDS_FOR_IMPORTS:
        again = threading.Timer(_SECONDS_BETWEEN_LOOKS, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
        return
    _first_deferred.pop(number, None)
    # `timeout` sends SIGTERM to its command and then to the whole group, and people press Ctrl-C twice: the second must
    # not break off what the first began.
    if now - _last_raised.get(number, -_SECONDS_OF_ONE_REQUEST) < _SECONDS_OF_ONE_REQUEST:
        return
    _last_raised[number] = now
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SigTermReceived("asked to end by SIGTERM")


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def install_sigterm_handler() -> None:
    """From now on SIGTERM raises `SigTermReceived` in the main thread, after the import that may be going on."""
    _last_raised.clear()
    signal.signal(signal.SIGTERM, _raise_when_safe)


def install_signal_handlers() -> None:
    """From now on SIGTERM raises `SigTermReceived`, and Ctrl-C `KeyboardInterrupt`, but not in the middle of an import.

    Ctrl-C stays switched off where it is, as in a process that a shell has started in the background.
    """
    install_sigterm_handler()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _raise_when_safe)


def end_process(status: int) -> NoReturn:
    """End this process with an exit status once its work is complete.

    Threads that an orderly end waits for are waited for, exit handlers run, and what was printed is written. Then the
    process ends without the interpreter's tear-down: torch's threads for communication may ask for the interpreter's
    lock just then, and be ended by it in the middle of C++ code, which aborts the process after all its work.

    Args:
        status: the exit status.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # as `multiprocessing` ends its processes
    atexit._run_exitfuncs()  # that of `logging` among them
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError:  # a full disk, or a pipe that nobody reads
            status = status or 120  # as Python itself says then
    os._exit(status)


def remove_unused_compiler_cache() -> None:
    """Remove the folder of torch's compiler if nothing was compiled.

    Building an optimizer loads the compiler, which then makes `torchinductor_<user>` in the temporary folder.
    """
    folder = os.environ.get("TORCHINDUCTOR_CACHE_DIR")  # set by torch when it makes the folder
    if folder and "torch._dynamo" in sys.modules:
        with contextlib.suppress(OSError):  # it is in use, and so not empty
            os.rmdir(folder)


def is_distributed() -> bool:
    """Whether a torch process group is up."""
    # where the module is not loaded, nobody can have started a group: no need to load it to find out
    dist = sys.modules.get("torch.distributed")
    return dist is not None and dist.is_available() and dist.is_initialized()


def is_global_primary() -> bool:
    """Whether this is rank 0, or the only process."""
    if not is_distributed():
        return True
    import torch.distributed as dist

    return dist.get_rank() == 0


def is_under_torchrun() -> bool:
    """Whether torchrun started this process as one of several."""
    return "LOCAL_RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def find_open_port() -> int:
    """A TCP port of this machine that nobody listens on at the moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("", 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port: int = sock.getsockname()[1]
        return port


def stay_on_this_machine() -> None:
    """Let the processes of a group that is all on this machine talk over its loopback interface.

    By default gloo looks up the name of the machine, which takes long where there is no network, and may lead anywhere.
    """
    with contextlib.suppress(OSError):
        loopbacks = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
        if loopbacks:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", loopbacks[0])
