import threading
import time
from collections.abc import Iterator

import pytest

from nlpreg.data.data_loaders.prefetch import prefetched


def num_threads() -> int:
    return sum(thread.name == "nlpreg-prefetch" for thread in threading.enumerate())


def test_the_same_items_in_the_same_order() -> None:
    assert list(prefetched(iter(range(100)), 4)) == list(range(100))
    assert list(prefetched(iter([]), 4)) == []
    assert num_threads() == 0


def test_no_more_is_made_ahead_than_asked_for() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    ahead = prefetched(items(), 3)
    assert next(ahead) == 0
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    # one taken, three waiting, one in hand
    assert len(made) == 5
    ahead.close()  # type: ignore[attr-defined]
    assert num_threads() == 0


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("bad batch")

    ahead = prefetched(items(), 4)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="bad batch"):
        next(ahead)
    assert num_threads() == 0


def test_an_iterator_that_is_forgotten_takes_its_thread_with_it() -> None:
    ahead = prefetched(iter(range(100)), 2)
    assert next(ahead) == 0
    assert num_threads() == 1
    del ahead
    assert num_threads() == 0


def test_an_iterator_may_be_closed_in_its_own_thread() -> None:
    """As the garbage collector does when it happens to run there."""
    found: dict[str, Iterator[int]] = {}
    errors = []

    def items() -> Iterator[int]:
        yield 0
        while "ahead" not in found:
            time.sleep(0.001)
        try:
            found["ahead"].close()  # type: ignore[attr-defined]
        except Exception as error:
            errors.append(error)
        yield 1

    ahead = prefetched(items(), 2)
    assert next(ahead) == 0
    found["ahead"] = ahead
    deadline = time.monotonic() + 5
    while num_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert num_threads() == 0
    assert errors == []
