"""How long the command line takes to start, as multiples of a bare Python.

    python benchmarks/startup.py [--repeats N] [--write]

Each command runs in a process of its own, all of them in turn, many times over; what counts is the fastest run of each,
since everything else a machine does only adds to it. `--write` puts the table into `benchmarks/startup.md`.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = "python -c pass"
COMMANDS: dict[str, list[str]] = {
    BARE: ["-c", "pass"],
    "nlpreg --version": ["-m", "nlpreg", "--version"],
    "nlpreg --help": ["-m", "nlpreg", "--help"],
    "nlpreg train --help": ["-m", "nlpreg", "train", "--help"],
    "nlpreg list": ["-m", "nlpreg", "list"],
    "nlpreg list model": ["-m", "nlpreg", "list", "model"],
    "python -c 'import torch'": ["-c", "import torch"],
}


def fastest_runs(repeats: int) -> dict[str, float]:
    """The fastest of `repeats` runs of each command, in seconds; a first round does not count."""
    fastest: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeats + 1):
            for name, arguments in COMMANDS.items():
                start = time.perf_counter()
                subprocess.run(
                    [sys.executable, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL
                )
                seconds = time.perf_counter() - start
                if turn:
                    fastest[name] = min(seconds, fastest.get(name, seconds))
    return fastest


def report(fastest: dict[str, float], repeats: int) -> str:
    """The table, with what it was measured on."""
    lines = [
        "# Start-up",
        "",
        "Multiples of a bare Python; to be at most 3 for `nlpreg --help`. None of nlpreg's commands here imports torch.",
        f"The fastest of {repeats} runs of each, all run in turn: `python benchmarks/startup.py --write`",
        "",
        "| command | milliseconds | ratio |",
        "|---|---:|---:|",
        *(
            f"| `{name}` | {1000 * seconds:.0f} | {seconds / fastest[BARE]:.1f} |"
            for name, seconds in fastest.items()
        ),
        "",
        f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="write benchmarks/startup.md")
    args = parser.parse_args()
    text = report(fastest_runs(args.repeats), args.repeats)
    print(text)
    if args.write:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
