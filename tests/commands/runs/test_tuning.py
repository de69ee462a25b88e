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
from nlpreg.commands.runs.group import DONE, FAILED, PRUNED, read_group
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


def test_force_deletes_the_study_and_its_trials_alone(
    tagger: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tagger["trainer"] = {"num_epochs": 1, "optimizer": "adam", "validation_metric": "-loss"}
    tagger["validation_data_path"] = tagger["train_data_path"]
    (tmp_path / "config.json").write_text(json.dumps(tagger))
    (tmp_path / "space.jsonnet").write_text("{ 'trainer.num_epochs': [1] }")
    out = tmp_path / "out"
    words = [
        "tune",
        str(tmp_path / "config.json"),
        str(tmp_path / "space.jsonnet"),
        "-s",
        str(out),
        "-n",
        "1",
    ]
    assert main("nlpreg", [*words, "-r"]) == 2
    assert "--recover expects a study 'nlpreg', but there is none" in capsys.readouterr().err
    assert main("nlpreg", [*words, "-r", "-f"]) == 2
    assert main("nlpreg", words) == 0
    (out / "notes.txt").write_text("years of work")
    trained = (out / "trial_0" / "model.tar.gz").stat().st_mtime_ns
    assert main("nlpreg", [*words, "-r"]) == 0  # nothing is left to do
    assert (out / "trial_0" / "model.tar.gz").stat().st_mtime_ns == trained
    (tmp_path / "space.jsonnet").write_text("{ 'trainer.num_epochs': [1, 2] }")
    assert main("nlpreg", words) == 2
    assert main("nlpreg", [*words, "-f"]) == 0
    assert (out / "trial_0" / "model.tar.gz").stat().st_mtime_ns > trained
    assert (out / "notes.txt").read_text() == "years of work"
    assert [name for name, *_ in outcomes(out)] == ["trial_0"]
    # a folder of that name that no run wrote
    (out / "trial_1").mkdir()
    (out / "trial_1" / "thesis.tex").write_text("")
    assert main("nlpreg", [*words, "-f"]) == 2
    assert (out / "trial_0" / "model.tar.gz").exists() and (out / "trial_1" / "thesis.tex").exists()


def test_a_search_prunes_trials_that_do_worse(tagger: dict[str, Any], tmp_path: Path) -> None:
    # After five trials that end, one is pruned when it is worse than their median: the same trial six times is not,
    # and a trial whose learning rate is 0 is.
    from nlpreg.commands.runs.space import Dimension
    from nlpreg.commands.runs.tuning import Search, tune

    tagger["trainer"] = {
        "num_epochs": 2,
        "optimizer": {"type": "adam", "lr": 0.05},
        "validation_metric": "-loss",
    }
    tagger["validation_data_path"] = tagger["train_data_path"]
    storage = f"sqlite:///{tmp_path}/study.db"
    space = [Dimension("trainer.optimizer.lr", "categorical", choices=(0.05, 0.0))]
    (tmp_path / "out").mkdir()
    search = Search(tagger, space, "-loss", str(tmp_path / "out"), storage, seed=1)
    study = optuna.create_study(study_name="nlpreg", storage=storage, direction="minimize")
    distribution = {"trainer.optimizer.lr": space[0].distribution()}
    for _ in range(5):  # trials of another machine that did well
        values = {0: 1e-6, 1: 1e-6}
        study.add_trial(
            optuna.trial.create_trial(
                params={"trainer.optimizer.lr": 0.05},
                distributions=distribution,
                value=1e-6,
                intermediate_values=values,
            )
        )
    group = tune(search, 6)
    assert [run.status for run in group.runs] == [DONE] * 5 + [PRUNED]
    log = (tmp_path / "out" / "trial_5" / "out.log").read_text()
    assert "does worse than the others after epoch" in log


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
        with pytest.raises(ConfigurationError, match=f"the study 'nlpreg' belongs to another {what}"):
            run(config, high, metric)


@pytest.mark.parametrize(
    ("options", "space", "message"),
    [
        (["-n", "0"], "{ 'trainer.num_epochs': [1] }", "--trials: expected 1 or more"),
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
