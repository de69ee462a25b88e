"""Signals, exit and rank of the current process."""

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import NoReturn


class SigTermReceived(BaseException):
    """Raised on SIGTERM. Like `KeyboardInterrupt`, it is not an `Exception`, so that it is not handled as an error."""


_PR_SET_PDEATHSIG = 1
_RETRY_SECONDS = 0.05
_SECONDS_FOR_IMPORTS = 30.0
_SECONDS_OF_ONE_REQUEST = 1.0
_first_deferred: dict[int, float] = {}
_last_raised: dict[int, float] = {}


def _raise_when_safe(number: int, frame: FrameType | None) -> None:
    """Raise the exception for a signal or, during an import, send the signal again a moment later.

    Torch runs Python code from C++ code while it is imported, and aborts the process when that raises.
    """
    now = time.monotonic()
    if is_importing(frame) and now - _first_deferred.setdefault(number, now) < _SECONDS_FOR_IMPORTS:
        again = threading.Timer(_RETRY_SECONDS, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
        return
    _first_deferred.pop(number, None)
    # `timeout` sends SIGTERM to its command and then to the whole group, and people press Ctrl-C twice: the second signal
    # must not interrupt the shutdown that the first one started.
    if now - _last_raised.get(number, -_SECONDS_OF_ONE_REQUEST) < _SECONDS_OF_ONE_REQUEST:
        return
    _last_raised[number] = now
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SigTermReceived("asked to end by SIGTERM")


def is_importing(frame: FrameType | None) -> bool:
    """Whether code that a signal interrupted runs during an import, which an exception would leave half done."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def install_sigterm_handler() -> None:
    """Make SIGTERM raise `SigTermReceived` in the main thread, but not during an import."""
    _last_raised.clear()
    signal.signal(signal.SIGTERM, _raise_when_safe)


def install_signal_handlers() -> None:
    """Make SIGTERM raise `SigTermReceived`, and Ctrl-C `KeyboardInterrupt`, but not during an import.

    If SIGINT is ignored, as in background processes of a shell, it stays ignored.
    """
    install_sigterm_handler()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _raise_when_safe)


def end_process(status: int) -> NoReturn:
    """End this process with an exit status once its work is complete.

    Non-daemon threads are joined, exit handlers run, and output is flushed. Then the process ends without the interpreter's
    shutdown, in which torch's communication threads may request the interpreter's lock and be terminated in the middle of C++
    code, which would abort the process.

    Args:
        status: the exit status.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # as `multiprocessing` ends its processes
    atexit._run_exitfuncs()  # including that of `logging`
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError:  # a full disk or a broken pipe
            status = status or 120  # Python's own exit status in this case
    os._exit(status)


def end_with_parent(parent: int) -> None:
    """Ask the system, where it can do so, to send SIGTERM to this process when the one that started it has ended.

    Args:
        parent: number of that process.

    Raises:
        SystemExit: it has ended already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            raise SystemExit(1)


def remove_unused_compiler_cache() -> None:
    """Remove the cache folder of torch's compiler if nothing was compiled.

    Building an optimizer loads the compiler, which then makes `torchinductor_<user>` in the temporary folder.
    """
    folder = os.environ.get("TORCHINDUCTOR_CACHE_DIR")  # set by torch when it makes the folder
    if folder and "torch._dynamo" in sys.modules:
        with contextlib.suppress(OSError):  # it is in use, and so not empty
            os.rmdir(folder)


@contextlib.contextmanager
def environment_variables(values: Mapping[str, str]) -> Iterator[None]:
    """Context manager that sets environment variables, for this process and those that it starts."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def is_distributed() -> bool:
    """Whether a torch process group is initialized."""
    # if the module is not loaded, no group can exist, and loading it is not necessary
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
    """Find a free TCP port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("", 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port: int = sock.getsockname()[1]
        return port


def stay_on_this_machine() -> None:
    """Make a process group on a single machine use the loopback interface.

    By default gloo resolves the host name, which is slow without a network and may give an unreachable address.
    """
    with contextlib.suppress(OSError):
        loopbacks = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
        if loopbacks:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", loopbacks[0])
