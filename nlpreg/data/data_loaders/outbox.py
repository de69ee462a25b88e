"""Sending without waiting, as far as possible."""

from __future__ import annotations

import contextlib
import os
import select
import struct
from collections import deque
from multiprocessing.connection import Connection

# What Linux lets any process ask for.
_PIPE_BYTES = 1 << 20

_LONGEST_SHORT = 0x7FFFFFFF


class NobodyListens(Exception):
    """The process at the other end has closed it, or is gone."""


class Outbox:
    """Messages on their way into a pipe, in the form that `Connection.recv_bytes` expects.

    A message goes into the pipe at once as far as there is room, and the rest when the next one comes. So a process is
    ahead of its reader without a second thread, which would have to wait for Python's lock again and again.

    Args:
        connection: where to send, and nobody else sends.
        size: how many messages may wait.

    Raises:
        NobodyListens: (when sending) as it says.
    """

    def __init__(self, connection: Connection, size: int) -> None:
        self._connection = connection
        self._size = size
        self._waiting: deque[memoryview] = deque()
        if os.name == "nt":  # where there is no way to send a part
            return
        os.set_blocking(connection.fileno(), False)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLOUT)
        with contextlib.suppress(
            ImportError, AttributeError, OSError
        ):  # a pipe of another system, or a socket
            import fcntl

            fcntl.fcntl(connection, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def put(self, *parts: bytes) -> None:
        """Send the parts of a message soon; waits only if too many messages do."""
        message = b"".join(parts)
        if os.name == "nt":
            self._connection.send_bytes(message)
            return
        self._waiting += [memoryview(_header(len(message))), memoryview(message)]
        self._send(most_left=2 * self._size)

    def flush(self) -> None:
        """Wait until everything is sent."""
        self._send(most_left=0)

    def _send(self, most_left: int) -> None:
        while self._waiting:
            try:
                sent = os.write(self._connection.fileno(), self._waiting[0])
            except BlockingIOError:
                if len(self._waiting) <= most_left:
                    return
                self._poll.poll()
                continue
            except (BrokenPipeError, ConnectionResetError) as error:
                raise NobodyListens(str(error)) from error
            rest = self._waiting[0][sent:]
            if rest:
                self._waiting[0] = rest
            else:
                self._waiting.popleft()


def _header(size: int) -> bytes:
    """The length of a message."""
    if size <= _LONGEST_SHORT:
        return struct.pack("!i", size)
    return struct.pack("!iQ", -1, size)
