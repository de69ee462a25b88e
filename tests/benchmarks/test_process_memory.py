"""The memory of processes is what they hold."""

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SIZE = 60_000_000

HOLD = f"""
import os, sys
child = os.fork()
held = b"x" * {SIZE}
if child:
    print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def process_memory(monkeypatch: pytest.MonkeyPatch) -> Any:
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /proc of Linux")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("process_memory")


def test_descendants_count_and_what_they_share_counts_once(
    process_memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_memory, "SECONDS_BETWEEN_SAMPLES", 0.01)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with process_memory.PeakMemory(process.pid) as memory:
            end = time.monotonic() + 60
            while memory.peak.resident < 2 * SIZE and time.monotonic() < end:
                time.sleep(0.01)
        process.communicate(timeout=60)
    assert 2 * SIZE < memory.peak.resident < 3 * SIZE
    assert 0 < memory.peak.mapped < memory.peak.resident / 2


def test_a_process_that_is_gone_holds_nothing(process_memory: Any) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(60)
    assert process_memory.sample_of(gone.pid) == process_memory.Sample()
    assert process_memory.sample_of(os.getpid()).resident > 10**7
