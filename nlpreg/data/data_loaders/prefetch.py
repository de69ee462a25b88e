"""Making items ahead of time in a second thread."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

_SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True)
class _Failure:
    """An error of the thread, on its way to whoever waits for items."""

    error: BaseException


_END: Any = object()


def prefetched(items: Iterator[T], depth: int) -> Iterator[T]:
    """The same items, up to `depth` of them made ahead in a second thread.

    That helps where making an item and using it both spend their time outside of Python, as tensor operations
    do. An error of `items` is raised here, after the items that were made before it. The thread ends with
    this iterator.
    """
    ready: queue.Queue[Any] = queue.Queue(depth)
    is_over = threading.Event()

    def put(item: Any) -> None:
        while not is_over.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=_SECONDS_BETWEEN_LOOKS)
                return

    def fill() -> None:
        try:
            for item in items:
                put(item)
                if is_over.is_set():
                    return
            put(_END)
        except BaseException as error:  # whatever it is, it belongs where the items are waited for
            put(_Failure(error))

    thread = threading.Thread(target=fill, daemon=True, name="nlpreg-prefetch")
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        is_over.set()
        if threading.current_thread() is not thread:  # the collector of garbage may end this from anywhere
            thread.join()
