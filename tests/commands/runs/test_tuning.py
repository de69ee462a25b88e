"""`nlpreg tune`: its table, its trials after a kill, and studies of another config."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.runs.group import DONE, FAILED, read_group
from nlpreg.common.checks import ConfigurationError

optuna = pytest.importorskip("optuna")

# In place of `nlpreg train CONFIG -s DIR ...`: a run whose accuracy follows from its config.
STAND_IN = """
import json, os, sys, time
config = json.load(open(sys.argv[2]))
os.makedirs(sys.argv[4], exist_ok=True)
open(os.path.join(sys.argv[4], "started"), "a").write("x")
time.sleep(0.5)
if config["rate"] > 0.9:
    sys.exit("nlpreg: error: the loss is NaN")
metrics = {"best_validation_accuracy": 1 - (config["rate"] - 0.5) ** 2}
json.dump(metrics, open(os.path.join(sys.argv[4], "metrics.json"), "w"))
"""
SEARCH = """
import subprocess, sys
from nlpreg.commands.runs import processes
from nlpreg.commands.runs.space import Dimension
from nlpreg.commands.runs.tuning import Search, tune
popen = subprocess.Popen
processes.subprocess.Popen = lambda words, **options: popen([sys.executable, sys.argv[1], *words[3:]], **options)
folder, trials, parallel = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
space = [Dimension("rate", "float", 0.0, 1.0), Dimension("kind", "categorical", choices=("a", ["b"]))]
storage = "sqlite:///" + folder + "/study.db"
tune(Search({"rate": 0.1, "kind": "a"}, space, "+accuracy", folder, storage, pruner=None, seed=3), trials, parallel)
"""


def search(tmp_path: Path, name: str, trials: int = 4, parallel: int = 1) -> "subprocess.Popen[bytes]":
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    (tmp_path / name).mkdir(exist_ok=True)
    words = [str(tmp_path / "stand_in.py"), str(tmp_path / name), str(trials), str(parallel)]
    return subprocess.Popen([sys.executable, "-c", SEARCH, *words])


def outcomes(folder: Path) -> list[Any]:
    group = read_group(folder)
    assert group is not None
    return [(run.name, run.changes, run.status, run.metrics, run.error) for run in group.runs]


@pytest.mark.timeout(600)
def test_kill_and_go_on_gives_the_same_table(tmp_path: Path) -> None:
    assert search(tmp_path, "whole").wait(240) == 0
    expected = outcomes(tmp_path / "whole")
    assert len(expected) == 4
    killed = search(tmp_path, "killed")
    deadline = time.monotonic() + 240
    while not (tmp_path / "killed" / "trial_2" / "started").exists():
        assert time.monotonic() < deadline and killed.poll() is None
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert search(tmp_path, "killed").wait(240) == 0
    assert outcomes(tmp_path / "killed") == expected


@pytest.mark.timeout(600)
def test_several_processes_share_the_trials(tmp_path: Path) -> None:
    processes = [search(tmp_path, "out", trials=6, parallel=2) for _ in range(2)]
    assert [process.wait(300) for process in processes] == [0, 0]
    found = outcomes(tmp_path / "out")
    assert [name for name, *_ in found] == [f"trial_{number}" for number in range(6)]
    # each was trained once
    assert all((tmp_path / "out" / name / "started").read_text() == "x" for name, *_ in found)
    for _, changes, status, metrics, error in found:
        assert changes["kind"] in ("a", ["b"])
        if changes["rate"] > 0.9:
            assert (status, error) == (FAILED, "the loss is NaN")
        else:
            assert status == DONE
            assert metrics["best_validation_accuracy"] == pytest.approx(1 - (changes["rate"] - 0.5) ** 2)


def test_a_study_of_another_config_or_space_is_left_alone(tmp_path: Path) -> None:
    from nlpreg.commands.runs.space import Dimension
    from nlpreg.commands.runs.tuning import Search, tune

    def run(config: dict[str, Any], high: float, metric: str) -> None:
        space = [Dimension("rate", "float", 0.0, high)]
        storage = f"sqlite:///{tmp_path}/study.db"
        tune(Search(config, space, metric, str(tmp_path), storage), 0)

    run({"rate": 1}, 1.0, "+accuracy")
    run({"rate": 1}, 1.0, "+accuracy")
    for config, high, metric, what in (
        ({"rate": 2}, 1.0, "+accuracy", "config"),
        ({"rate": 1}, 2.0, "+accuracy", "space"),
        ({"rate": 1}, 1.0, "+f1", "metric"),
    ):
        with pytest.raises(ConfigurationError, match=f"the study 'nlpreg' is one of another {what}"):
            run(config, high, metric)


@pytest.mark.parametrize(
    ("options", "space", "message"),
    [
        (["-n", "0"], "{ 'trainer.num_epochs': [1] }", "--trials: expected at least 1"),
        ([], "{ 'model.hiden': [1] }", "hiden"),
        ([], "{ 'trainer.optimizer.lr': ['fast'] }", "trainer.optimizer.lr"),
        (["--metric", "accuracy"], "{ 'trainer.num_epochs': [1] }", r"--metric: expected \+ or -"),
        (
            ["--storage", "nothing://x"],
            "{ 'trainer.num_epochs': [1] }",
            "--storage: nothing://x: cannot be used",
        ),
    ],
)
def test_mistakes_are_found_before_a_trial(
    options: list[str],
    space: str,
    message: str,
    tagger: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(tagger))
    (tmp_path / "space.jsonnet").write_text(space)
    words = [
        "tune",
        str(tmp_path / "config.json"),
        str(tmp_path / "space.jsonnet"),
        "-s",
        str(tmp_path / "out"),
    ]
    assert main("nlpreg", [*words, *options]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out" / "trial_0").exists()
