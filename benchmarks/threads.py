"""What threads that spin or sleep while they wait cost `nlpreg train`, on a quiet machine and beside a busy process.

    python benchmarks/threads.py FOLDER [--output benchmarks/results/threads.md]

FOLDER has the config `tagger` and `prep_data.py`, which makes its data.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from configs import prepare
from reporting import parser, publish, table

POLICIES = {"PASSIVE": "sleep (default)", "ACTIVE": "spin"}


@contextlib.contextmanager
def busy_process(busy: bool) -> Iterator[None]:
    """Within the block another process keeps one processor busy, if `busy`."""
    if not busy:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def train(config: Path, data: Path, threads: int, policy: str, batches: int) -> tuple[float, float]:
    """Train one epoch of so many batches in a process of its own.

    Returns:
        Processor time (user and system) and wall time, in seconds.

    Raises:
        RuntimeError: the run failed.
    """
    environment = {
        **os.environ,
        "BENCH_DATA": str(data),
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": policy,
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        "NLPREG_NO_CACHE": "1",
    }
    overrides = {"trainer.num_epochs": 1, "data_loader.batches_per_epoch": batches}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-m", "nlpreg", "train", str(config), "-s", f"{folder}/run"]
        command += ["-o", json.dumps(overrides)]
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            log.seek(0)
            raise RuntimeError(f"{' '.join(command)}\n{log.read()}")
    return usage.ru_utime + usage.ru_stime, wall


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line says."""
    options_parser = parser(__doc__)
    options_parser.add_argument("folder", type=Path, help="with the config `tagger` and prep_data.py")
    options_parser.add_argument("--batches", type=int, default=60, help="length of a run (default 60)")
    options_parser.add_argument(
        "--rounds", type=int, default=3, help="runs of each kind, in turn (default 3)"
    )
    options = options_parser.parse_args(arguments)
    batches, rounds = (1, 1) if options.quick else (options.batches, options.rounds)
    kinds = [
        (busy, threads, policy)
        for busy in (False, True)
        for threads, policies in ((1, ["PASSIVE"]), (2, list(POLICIES)))
        for policy in policies
    ]
    found: dict[tuple[bool, int, str], list[tuple[float, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as data:
        prepare(options.folder, Path(data), options.quick)
        for _ in range(rounds):
            for busy, threads, policy in kinds:
                with busy_process(busy):
                    run = train(options.folder / "tagger.jsonnet", Path(data), threads, policy, batches)
                found[busy, threads, policy].append(run)
    rows = []
    for (busy, threads, policy), runs in found.items():
        processor, wall = (statistics.median(values) for values in zip(*runs, strict=True))
        machine = "beside a busy process" if busy else "quiet"
        rows.append([machine, str(threads), POLICIES[policy], f"{processor:.1f} s", f"{wall:.1f} s"])
    header = ["machine", "threads", "waiting threads", "processor time", "wall time"]
    publish(
        "Threads",
        [f"`tagger`, {batches} batches, median of {rounds} runs of each, in turn", table(header, rows)],
        options,
    )


if __name__ == "__main__":
    main()
