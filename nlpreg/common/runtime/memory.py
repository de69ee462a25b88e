"""Peak memory of all ranks, and a context manager for less frequent garbage collection."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from nlpreg.common.runtime.process import is_distributed


def peak_cpu_memory() -> dict[int, int]:
    """Peak resident memory in bytes, by rank; 0 if the system does not report it."""
    return _by_rank(_own_peak())


def peak_gpu_memory() -> dict[int, int]:
    """Peak memory of each GPU in bytes since the last call, by rank (by device in a single process); empty without GPUs."""
    import torch

    if not torch.cuda.is_available():
        return {}
    devices = [torch.cuda.current_device()] if is_distributed() else range(torch.cuda.device_count())
    peaks = [torch.cuda.max_memory_allocated(device) for device in devices]
    for device in devices:
        torch.cuda.reset_peak_memory_stats(device)
    return _by_rank(peaks[0]) if is_distributed() else dict(enumerate(peaks))


_OBJECTS_BETWEEN_COLLECTIONS = 500_000
_MANY_OBJECTS = 50_000


@contextmanager
def reduced_garbage_collection() -> Iterator[None]:
    """Context manager that runs the garbage collector rarely while many long-lived objects are created.

    Python searches for reference cycles after every few hundred new objects, and from time to time through all objects,
    which takes a large part of the time of reading a data set into memory. If many objects were created, they are moved to the
    oldest generation when the block ends.
    """
    thresholds = gc.get_threshold()
    if thresholds[0] == 0:  # collection is already disabled, and stays disabled
        yield
        return
    gc.set_threshold(max(thresholds[0], _OBJECTS_BETWEEN_COLLECTIONS), *thresholds[1:])
    try:
        yield
    finally:
        # `unfreeze` would also affect objects that other code has frozen, so only if there are none
        if gc.get_count()[0] > _MANY_OBJECTS and gc.get_freeze_count() == 0:
            gc.freeze()
            gc.unfreeze()
        gc.set_threshold(*thresholds)


def format_size(size: int) -> str:
    """Format a number of bytes with the unit `B`, `K`, `M` or `G`, in powers of 1024."""
    for unit, letter in ((1024**3, "G"), (1024**2, "M"), (1024, "K")):
        number = size / unit
        if abs(number) >= 1:
            return f"{number:.1f}{letter}" if abs(round(number, 1)) < 10 else f"{round(number)}{letter}"
    return f"{size}B"


def _own_peak() -> int:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, kilobytes elsewhere


def _by_rank(number: int) -> dict[int, int]:
    if not is_distributed():
        return {0: number}
    import torch.distributed as dist

    numbers = [0] * dist.get_world_size()
    dist.all_gather_object(numbers, number)
    return dict(enumerate(numbers))
