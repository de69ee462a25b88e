"""What the benchmarks share: times measured in turn, the machine, Markdown tables, common options."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

TURNS_FILE = "turns.json"
"""What the callback of `training_turns` writes into the folder of a run."""


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done all that it was asked to do; nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


_clock: Callable[[], float] = time.perf_counter


def now() -> float:
    """Seconds of the clock of all measurements: wall time, or CPU time with `--cpu-time`."""
    return _clock()


class _UseCpuTime(argparse.Action):
    def __call__(self, *args: object, **kwargs: object) -> None:
        global _clock
        _clock = time.process_time


def seconds_in_turn(
    works: Mapping[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, float]:
    """The median time of each piece of work.

    They are run one after the other, and that many times over, so that a machine that becomes slower or faster
    meanwhile does so for all of them. A first round does not count.

    Args:
        works: name -> what to do.
        repeats: number of rounds that count.
        device: where the work is done.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats + 1):
        for name, work in works.items():
            synchronize(device)
            start = now()
            work()
            synchronize(device)
            times[name].append(now() - start)
    return {name: statistics.median(seconds[1:]) for name, seconds in times.items()}


def machine(device: torch.device) -> str:
    """A line about the machine: processor, cores, threads, GPU, versions."""
    parts = [
        f"{_processor_name()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used",
        f"torch {torch.__version__}",
        f"Python {platform.python_version()}",
    ]
    if device.type == "cuda":
        parts.insert(1, torch.cuda.get_device_name(device))
    return "; ".join(parts)


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, with three digits that count."""
    value = 1000 * seconds
    return f"{value:.0f} ms" if value >= 100 else f"{value:.3g} ms"


def times(ratio: float) -> str:
    """A ratio, such as 0.97 or 12.3."""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}"


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument(
        "--device", type=torch.device, default=torch.device("cpu"), help="cpu, cuda, cuda:1, ..."
    )
    options.add_argument("--threads", type=int, help="of the CPU; by default as many as torch takes")
    options.add_argument("--quick", action="store_true", help="tiny shapes, only to see that it runs")
    options.add_argument(
        "--cpu-time", action=_UseCpuTime, nargs=0, help="measure CPU time, for a machine that is busy"
    )
    options.add_argument("--output", type=Path, help="file to write the tables to, besides printing them")
    return options


def publish(title: str, sections: Sequence[str], options: argparse.Namespace) -> None:
    """Print the tables, and write them to the file that was asked for."""
    notes = [f"Machine: {machine(options.device)}. Made by `{shlex.join(['python', *sys.argv])}`."]
    if options.quick:
        notes.append("Made with --quick: these numbers say nothing.")
    text = "\n\n".join([f"# {title}", " ".join(notes), *sections]) + "\n"
    print(text)
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text, encoding="utf-8")
