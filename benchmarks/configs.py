"""Whole runs of the benchmark configs, and their training against hand-written loops of the same models.

    python benchmarks/configs.py FOLDER [--output benchmarks/results/configs.md]

FOLDER has the configs `lm_uni`, `lm_bi_sampled`, `tagger` and `crf_tagger`, and `prep_data.py`, which makes their data.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from reporting import TURNS_FILE, parser, publish, table, times

CONFIGS = ("lm_uni", "lm_bi_sampled", "tagger", "crf_tagger")
_BENCHMARKS = Path(__file__).resolve().parent
_MEBIBYTE = 1024  # ru_maxrss is in KiB
_WARM_UP_BLOCKS = 1


@dataclass(frozen=True)
class Run:
    """A finished `nlpreg train`."""

    wall_seconds: float
    peak_mebibytes: float
    metrics: dict[str, Any]
    blocks: list[dict[str, float]]

    def tokens_per_second(self, who: str = "nlpreg") -> float:
        """Over all blocks."""
        return sum(block["tokens"] for block in self.blocks) / sum(block[who] for block in self.blocks)

    def ratio_to(self, loop: str, clock: str = "") -> float:
        """Speed of nlpreg divided by that of a loop: the median over blocks measured right after each other.

        Args:
            loop: `plain` or `best`.
            clock: "" for time by the clock, `_cpu` for CPU time.
        """
        ratios = (block[loop + clock] / block["nlpreg" + clock] for block in self.blocks[_WARM_UP_BLOCKS:])
        return statistics.median(ratios)

    def peak_memory(self) -> str:
        """Of the process and, if it used one, of the GPU."""
        peak = f"{self.peak_mebibytes / 1024:.2f} GiB"
        if "device_mebibytes" in self.blocks[-1]:
            peak += f", on the GPU {self.blocks[-1]['device_mebibytes'] / 1024:.2f} GiB"
        return peak

    def validation(self) -> str:
        """The accuracy or, without one, the loss."""
        name = "accuracy" if "best_validation_accuracy" in self.metrics else "loss"
        return f"{name} {self.metrics[f'best_validation_{name}']:.4f}"


def train(config: Path, data: Path, overrides: dict[str, Any], options: argparse.Namespace) -> Run:
    """Run `nlpreg train` in a process of its own.

    Raises:
        RuntimeError: it failed.
    """
    if options.device.type == "cuda":
        overrides = {**overrides, "trainer.cuda_device": options.device.index or 0}
    paths = [str(_BENCHMARKS), str(_BENCHMARKS.parent), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "BENCH_DATA": str(data),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "NLPREG_NO_CACHE": "1",  # every run reads its data itself, as if it were the first
    }
    if options.threads is not None:
        environment["OMP_NUM_THREADS"] = str(options.threads)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-m", "nlpreg", "train", str(config), "-s", f"{folder}/run"]
        command += ["--include-package", "training_turns", "-o", json.dumps(overrides)]
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            log.seek(0)
            raise RuntimeError(f"{' '.join(command)}\n{log.read()}")
        run = Path(folder, "run")
        return Run(
            seconds,
            usage.ru_maxrss / _MEBIBYTE,
            json.loads((run / "metrics.json").read_text(encoding="utf-8")),
            json.loads((run / TURNS_FILE).read_text(encoding="utf-8")),
        )


def whole_run(config: Path, data: Path, options: argparse.Namespace) -> Run:
    """The config as it stands, but for a callback that looks at the clock."""
    steps = 1 if options.quick else 10
    clock = {"type": "benchmark_turns", "config": config.stem, "steps": steps}
    return train(config, data, {"trainer.callbacks": [clock]}, options)


def run_in_turn(config: Path, data: Path, options: argparse.Namespace) -> Run:
    """One epoch, cut short, with blocks of the hand-written loops between those of nlpreg."""
    steps = 1 if options.quick else 10
    turns = {"type": "benchmark_turns", "config": config.stem, "steps": steps, "in_turn": True}
    overrides = {
        "trainer.callbacks": [turns],
        "trainer.num_epochs": 1,
        "data_loader.batches_per_epoch": 1 + steps * (options.blocks + _WARM_UP_BLOCKS),
    }
    return train(config, data, overrides, options)


def prepare(folder: Path, data: Path, quick: bool) -> None:
    """Make the data; for a quick run, only the first lines of it."""
    subprocess.run([sys.executable, str(folder / "prep_data.py"), str(data)], check=True)
    if quick:
        for path in data.iterdir():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            path.write_text("".join(lines[:96]), encoding="utf-8")


def runs_table(runs: dict[str, Run]) -> str:
    """Whole runs."""
    rows = [
        [
            f"`{name}`",
            f"{run.tokens_per_second():,.0f}",
            f"{run.wall_seconds:.1f} s",
            run.peak_memory(),
            run.validation(),
        ]
        for name, run in runs.items()
    ]
    return table(["config", "training tokens/s", "whole run", "peak memory", "validation"], rows)


def turns_table(runs: dict[str, Run]) -> str:
    """Training against the loops."""
    rows = [
        [
            f"`{name}`",
            *(f"{run.tokens_per_second(who):,.0f}" for who in ("nlpreg", "plain", "best")),
            *(
                f"{times(run.ratio_to(loop))} ({times(run.ratio_to(loop, '_cpu'))})"
                for loop in ("plain", "best")
            ),
        ]
        for name, run in runs.items()
    ]
    header = [
        "config",
        "nlpreg tokens/s",
        "plain loop",
        "best loop",
        "nlpreg / plain (CPU time)",
        "nlpreg / best (CPU time)",
    ]
    return table(header, rows)


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line says."""
    options_parser = parser(__doc__)
    options_parser.add_argument("folder", type=Path, help="with the configs and prep_data.py")
    options_parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    options_parser.add_argument(
        "--blocks", type=int, help="blocks of 10 updates to measure in turn (default 8)"
    )
    options_parser.add_argument("--only-turns", action="store_true", help="leave out the whole runs")
    options = options_parser.parse_args(arguments)
    options.blocks = options.blocks or (1 if options.quick else 8)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    whole, turns = {}, {}
    with tempfile.TemporaryDirectory() as data:
        prepare(options.folder, Path(data), options.quick)
        for name in options.configs:
            config = options.folder / f"{name}.jsonnet"
            turns[name] = run_in_turn(config, Path(data), options)
            if not options.only_turns:
                whole[name] = whole_run(config, Path(data), options)
    sections = ["## Training against hand-written loops, in turn over the same batches", turns_table(turns)]
    if whole:
        sections += [
            "## Whole runs",
            runs_table(whole),
        ]
    publish("Configs", sections, options)


if __name__ == "__main__":
    main()
