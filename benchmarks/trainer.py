"""The trainer against a bare loop over the same batches, in turn in one run; checkpoints; resuming.

python benchmarks/trainer.py [--output benchmarks/results/trainer.md]
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from reporting import milliseconds, parser, publish, seconds_in_turn, table, times
from trainer_cases import (
    BareLoop,
    Case,
    FirstStepDone,
    OneBatch,
    ReadyBatches,
    TimedCheckpointer,
    make_trainer,
    tagger_case,
    tiny_case,
)

from nlpreg.training import Checkpointer, GradientDescentTrainer

SECTIONS = ("steps", "checkpoints", "resuming")
STEPS_BETWEEN_CHECKPOINTS = 100


def steps_section(options: argparse.Namespace) -> str:
    """Blocks of the trainer's steps and of a bare loop's, in turn."""
    many, few = (5, 2) if options.quick else (200, 10)
    cases = [
        tiny_case(many, options.device),
        tagger_case(few, options.device, options.quick),
    ]
    rows = [_steps_row(case, options) for case in cases]
    header = ["model", "bare loop", "trainer", "speed by the bare loop", "more per step"]
    note = (
        f"Median over {options.repeats} blocks of each, in turn, after a first that does not count. The bare loop has "
        "the same model (with its metrics), optimizer and clipping, and nothing else."
    )
    return f"## Steps per second\n\n{note}\n\n{table(header, rows)}"


def _steps_row(case: Case, options: argparse.Namespace) -> list[str]:
    bare = BareLoop(case, options.device)
    loader = ReadyBatches(case.batches, options.repeats + 1, options.device, bare.run)
    with tempfile.TemporaryDirectory() as folder:
        make_trainer(case, loader, Checkpointer(folder), options.device).train()
    num_steps = len(case.batches)
    pairs = list(zip(loader.seconds, bare.seconds, strict=True))[1:]
    overhead = statistics.median(ours - theirs for ours, theirs in pairs) / num_steps
    return [
        case.name,
        *(f"{num_steps / statistics.median(side):,.0f}" for side in (bare.seconds[1:], loader.seconds[1:])),
        times(statistics.median(theirs / ours for ours, theirs in pairs)),
        f"{1e6 * overhead:.1f} µs",
    ]


def checkpoints_section(options: argparse.Namespace) -> str:
    """How much of a run with frequent checkpoints goes into them."""
    every = 2 if options.quick else STEPS_BETWEEN_CHECKPOINTS
    num_blocks = options.checkpoints + 1
    case = tagger_case(every, options.device, options.quick)
    with tempfile.TemporaryDirectory() as folder:
        checkpointer = TimedCheckpointer(folder, every)
        loader = ReadyBatches(case.batches, num_blocks, options.device)
        make_trainer(case, loader, checkpointer, options.device).train()
        size = sum(path.stat().st_size for path in newest_checkpoint(Path(folder)))
    saving = checkpointer.seconds[1:num_blocks]
    with_saving = loader.seconds[1:]
    share = statistics.median(save / block for save, block in zip(saving, with_saving, strict=True))
    row = [
        case.name,
        f"{size / 2**20:.1f} MiB",
        milliseconds(statistics.median(saving)),
        milliseconds(statistics.median(with_saving)),
        f"{100 * share:.2f} %",
    ]
    header = ["model", "checkpoint", "saving it", f"{every} steps and saving", "share"]
    note = f"Median over {len(saving)} checkpoints; each is flushed to the disk before the run goes on."
    return f"## A checkpoint every {every} steps\n\n{note}\n\n{table(header, [row])}"


def newest_checkpoint(folder: Path) -> list[Path]:
    """The files of the newest checkpoint in a folder."""
    state = max(folder.glob("training_state_*.th"), key=lambda path: path.stat().st_mtime)
    return [state, state.with_name(state.name.replace("training", "model"))]


def resuming_section(options: argparse.Namespace) -> str:
    """From the start of a process that has its data to the end of the first step, from a checkpoint and from none."""
    case = tagger_case(1, options.device, options.quick)
    with tempfile.TemporaryDirectory() as parent:
        whole, fresh, resumed = (Path(parent, name) for name in ("whole", "fresh", "resumed"))
        trainer = first_step(case, whole, options.device)
        assert trainer.run.checkpointer is not None
        trainer.run.checkpointer.save_checkpoint(trainer)

        shutil.copytree(whole, resumed)
        works = {
            folder.name: partial(first_step, case, folder, options.device) for folder in (fresh, resumed)
        }
        seconds = seconds_in_turn(works, options.repeats, options.device)
    row = [case.name, *(milliseconds(seconds[who]) for who in ("fresh", "resumed"))]
    row.append(milliseconds(seconds["resumed"] - seconds["fresh"]))
    header = ["model", "fresh start", "resumed", "more"]
    note = (
        "Building the model, the optimizer and the trainer, finding, checking and loading the newest checkpoint, and "
        "the first step. No batch of before is drawn again."
    )
    return f"## Time to the first step\n\n{note}\n\n{table(header, [row])}"


def first_step(case: Case, folder: Path, device: torch.device) -> GradientDescentTrainer:
    """Begin a run in a folder, or go on with the one that is there, and end it after a step."""
    trainer = make_trainer(case, OneBatch(case.batches[0], 1000), Checkpointer(folder), device)
    with contextlib.suppress(FirstStepDone):
        trainer.train()
    return trainer


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line says."""
    options_parser = parser(__doc__)
    options_parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    options_parser.add_argument("--repeats", type=int, help="rounds of each measurement (default 21)")
    options_parser.add_argument("--checkpoints", type=int, help="number of checkpoints (default 10)")
    options = options_parser.parse_args(arguments)
    options.repeats = options.repeats or (1 if options.quick else 21)
    options.checkpoints = options.checkpoints or (1 if options.quick else 10)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    make: dict[str, Callable[[argparse.Namespace], str]] = {
        "steps": steps_section,
        "checkpoints": checkpoints_section,
        "resuming": resuming_section,
    }
    publish("Trainer", [make[name](options) for name in options.sections], options)


if __name__ == "__main__":
    main()
