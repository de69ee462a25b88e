"""A transformer language model trained by two processes, whole or sharded, has the losses of one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

JOB = Path(__file__).with_name("distributed_language_model.py")


def run(accelerator: str, size: int, folder: Path) -> list[list[float]]:
    """The losses that each process has seen."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(JOB), accelerator, str(rank), str(size), str(folder)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=240)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
            process.communicate()  # closes the pipe too, which a later test would be blamed for
    return [json.loads((folder / f"{accelerator}_{size}_{rank}.json").read_text()) for rank in range(size)]


def test_two_processes_have_the_losses_of_one(tmp_path: Path) -> None:
    (alone,) = run("none", 1, tmp_path)
    assert len(alone) == 20 and alone[-1] < alone[0]
    for losses in run("torch", 2, tmp_path):
        assert losses == pytest.approx(alone, abs=1e-5)


@pytest.mark.skipif(
    not hasattr(torch.cpu.Stream, "record_event"), reason="this torch cannot shard on the CPU"
)
def test_two_processes_with_shards_have_the_losses_of_one(tmp_path: Path) -> None:
    (alone,) = run("none", 1, tmp_path)
    for losses in run("torch_fsdp", 2, tmp_path):
        assert losses == pytest.approx(alone, abs=1e-5)
