"""The memory of a process and of the processes that it starts, sampled while it runs (Linux)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

SECONDS_BETWEEN_SAMPLES = 0.5
KILOBYTE = 1024


@dataclass(frozen=True)
class Sample:
    """What processes held at one moment, in bytes.

    Args:
        resident: the pages of all of them that are in memory; one that several share counts once.
        mapped: the pages of files among these, such as those of a memory map: memory that the system takes back when it
            needs it.
    """

    resident: int = 0
    mapped: int = 0


def sample_of(process: int) -> Sample:
    """What a process and its descendants hold now; those that end meanwhile hold nothing."""
    found = [_sample_of_one(one) for one in _with_descendants(process)]
    return Sample(sum(one.resident for one in found), sum(one.mapped for one in found))


class PeakMemory:
    """Looks at a process and its descendants now and then, within a block.

    Args:
        process: its number.

    Attributes:
        peak: the sample with the most pages in memory.
    """

    def __init__(self, process: int) -> None:
        self._process = process
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.peak = Sample()

    def _look(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_SAMPLES):
            self.peak = max(self.peak, sample_of(self._process), key=lambda sample: sample.resident)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()


def _sample_of_one(process: int) -> Sample:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:  # it has ended, or this is no Linux
        return Sample()
    sizes = {
        name: int(size.split()[0]) * KILOBYTE for name, _, size in (line.partition(":") for line in lines)
    }
    return Sample(sizes.get("Pss", 0), sizes.get("Pss_File", 0))


def _with_descendants(process: int) -> list[int]:
    found = [process]
    for one in found:  # which grows on the way
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found
