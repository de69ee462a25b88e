"""What the first run of a new user prints: the lines that are meant for them and not one more."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

EXPECTED = [
    r"reading the data",
    r"(train|validation) data: training_configs/data/(train|dev)\.conllu: [\d,]+ instances, [\d,]+ batches",
    r"vocabulary: \w+ [\d,]+(, \w+ [\d,]+)*",
    r"model: \w+, [\d,]+ parameters",
    r"epoch +loss +val loss +\w+ +lr +inst/s +time",
    r"[12]/2( +\d+(\.\d+)?){3} +[\d.e-]+ +(\d+|-) +\d+:\d\d( \*)?",
    r"",
    r"metrics \(validation and the archived weights: epoch [12], the best one\)",
    r" +training +validation",
    r"  \w+ +\d+\.\d{4} +\d+\.\d{4}",
    r"model: .*/out/model\.tar\.gz",
    r"time \d+:\d\d:\d\d; metrics, log and checkpoints: .*/out/",
]


@pytest.mark.parametrize("name", ["quickstart_tagger", "quickstart_lm"])
def test_a_quickstart_prints_the_expected_lines_only(name: str, tmp_path: Path) -> None:
    overrides = json.dumps({"trainer.num_epochs": 2, "dataset_reader.max_instances": 60})
    arguments = ["train", f"training_configs/{name}.jsonnet", "-s", str(tmp_path / "out"), "-o", overrides]
    done = subprocess.run(
        [sys.executable, "-m", "nlpreg", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NLPREG_CACHE_ROOT": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, f"checking training_configs/{name}.jsonnet\n")
    lines = done.stdout.splitlines()
    unexpected = [line for line in lines if not any(re.fullmatch(pattern, line) for pattern in EXPECTED)]
    assert unexpected == []
    for pattern in EXPECTED:
        assert any(re.fullmatch(pattern, line) for line in lines), pattern
