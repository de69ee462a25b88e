"""`nlpreg train` with several runs: their table, failures, and what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.runs.group import DONE, FAILED, RunGroup, SubRun, read_group
from nlpreg.commands.runs.processes import Ended
from nlpreg.commands.runs.training import record_end, validation_metric

Config = dict[str, Any]


def write(config: Config, folder: Path) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return str(path)


def group_in(folder: Path) -> RunGroup:
    group = read_group(folder)
    assert group is not None
    return group


def test_a_failure_ends_no_other_run_and_is_tried_again(
    tagger: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tagger["trainer"]["num_epochs"] = 1
    tagger["trainer"]["patience"] = 1
    config, out = write(tagger, tmp_path), str(tmp_path / "out")
    # A vocabulary of files that are not there fails in the run itself, after the check of the config.
    bad = json.dumps(
        [{"type": "from_instances"}, {"type": "from_files", "directory": str(tmp_path / "vocabulary")}]
    )
    tagger["vocabulary"] = {}
    config = write(tagger, tmp_path)
    (tmp_path / "vocabulary").mkdir()
    words = ["train", config, "-s", out, "--sweep", f"vocabulary={bad}", "--parallel", "2", "-q"]
    with pytest.raises(SystemExit) as end:
        main("nlpreg", words)
    assert end.value.code == 1
    shown = capsys.readouterr()
    assert "1 of 2 runs failed" in shown.err
    outcomes = {run.status: run for run in group_in(tmp_path / "out").runs}
    assert set(outcomes) == {DONE, FAILED}
    assert "vocabulary" in outcomes[FAILED].error
    assert [line.split()[-1] for line in shown.out.splitlines()[1:3]] == [DONE, FAILED]
    # With a vocabulary put in its place, -r trains only what failed.
    good = tmp_path / "out" / outcomes[DONE].name
    trained = (good / "model.tar.gz").stat().st_mtime_ns
    for file in (good / "vocabulary").iterdir():
        (tmp_path / "vocabulary" / file.name).write_bytes(file.read_bytes())
    assert main("nlpreg", [*words, "-r"]) == 0
    assert {run.status for run in group_in(tmp_path / "out").runs} == {DONE}
    assert (good / "model.tar.gz").stat().st_mtime_ns == trained


def test_folds_train_on_what_they_do_not_validate_on(tagger: Config, tmp_path: Path) -> None:
    tagger["trainer"]["num_epochs"] = 1
    assert (
        main("nlpreg", ["train", write(tagger, tmp_path), "-s", str(tmp_path / "out"), "--folds", "2", "-q"])
        == 0
    )
    sizes = []
    for fold in range(2):
        log = (tmp_path / "out" / f"fold_{fold}" / "out.log").read_text()
        sizes.append([f"train.txt: {size} instances" in log for size in (2, 3)])
    assert sizes == [[True, True], [True, True]]  # five sentences: two and three, in either role
    group = group_in(tmp_path / "out")
    assert [run.name for run in group.runs] == ["fold_0", "fold_1"]
    assert "mean ± spread" in group.lines()[-1]


@pytest.mark.timeout(600)
def test_kill_and_go_on_gives_the_same_table(language_model: Config, tmp_path: Path) -> None:
    language_model["trainer"]["num_epochs"] = 2
    config = write(language_model, tmp_path)
    words = ["train", config, "--seeds", "2", "-q", "-s"]
    assert main("nlpreg", [*words, str(tmp_path / "whole")]) == 0
    out = tmp_path / "out"
    killed = subprocess.Popen([sys.executable, "-m", "nlpreg", *words, str(out)])
    deadline = time.monotonic() + 240
    while not (out / "seed_2" / "out.log").exists():  # the second run is under way
        assert time.monotonic() < deadline and killed.poll() is None
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert group_in(out).runs[0].status == DONE
    assert main("nlpreg", [*words, str(out), "-r"]) == 0
    whole, resumed = group_in(tmp_path / "whole"), group_in(out)
    assert resumed.lines() == whole.lines()
    for one, other in zip(whole.runs, resumed.runs, strict=True):
        keys = [key for key in one.metrics if "duration" not in key and "memory" not in key]
        assert {key: one.metrics[key] for key in keys} == {key: other.metrics[key] for key in keys}


def test_a_folder_with_something_in_it_is_left_alone(
    tagger: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = write(tagger, tmp_path), tmp_path / "out"
    words = ["train", config, "-s", str(out), "--seeds", "2"]
    assert main("nlpreg", [*words, "-r"]) == 2
    assert "there is no runs.json" in capsys.readouterr().err
    out.mkdir(exist_ok=True)
    (out / "thesis.tex").write_text("years of work")
    for option in ([], ["-f"]):
        assert main("nlpreg", [*words, *option]) == 2
        assert (out / "thesis.tex").read_text() == "years of work"
    (out / "thesis.tex").unlink()
    RunGroup("+accuracy", tagger, [SubRun("seed_1", {"seed": 1}, True)]).write(out)
    capsys.readouterr()
    assert main("nlpreg", words) == 2
    assert "holds a group of runs already" in capsys.readouterr().err
    changed = write({**tagger, "random_seed": 5}, tmp_path)
    assert main("nlpreg", ["train", changed, "-s", str(out), "--seeds", "2", "-r"]) == 2
    assert "differ at random_seed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--parallel", "2"], "--parallel: expected --sweep, --seeds or --folds"),
        (["--seeds", "2", "--folds", "3"], "--seeds and --folds: expected one of them"),
        (["--seeds", "2", "--parallel", "0"], "--parallel: expected 1 or more"),
        (["--seeds", "2", "--dry-run"], "--dry-run and --node-rank are for single runs"),
        (["--sweep", "model.encoder.hiden_size=1,2"], "hiden_size"),
        (["--seeds", "x"], "--seeds: expected a number of runs"),
    ],
)
def test_mistakes_are_found_before_anything_is_written(
    options: list[str], message: str, tagger: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("nlpreg", ["train", write(tagger, tmp_path), "-s", str(tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_outcomes_of_processes(tmp_path: Path) -> None:
    run = SubRun("a")
    record_end(run, Ended("a", -9, "", 1.0), str(tmp_path))
    assert (run.status, run.error) == (FAILED, "its process was killed by signal 9")
    record_end(run, Ended("a", 2, "a warning\nnlpreg: error: x: no such\nfile", 1.0), str(tmp_path))
    assert (run.error, run.seconds) == ("x: no such file", 2.0)
    several = (
        "nlpreg: error: model: ValueError: boom\n  boom.py:9, in forward: f(x)\n(whole traceback: out.log)"
    )
    record_end(run, Ended("a", 1, several, 1.0), str(tmp_path))
    assert run.error == "model: ValueError: boom; boom.py:9, in forward: f(x) (whole traceback: out.log)"
    record_end(run, Ended("a", 0, "", 1.0), str(tmp_path))
    assert run.status == FAILED and "metrics.json: there are no metrics" in run.error
    (tmp_path / "metrics.json").write_text("[1.5]")
    record_end(run, Ended("a", 0, "", 1.0), str(tmp_path))
    assert run.status == FAILED and "metrics.json: expected a JSON object, got '[1.5]'" in run.error
    # a model that is trained by counting, without validation data, has no metric at all
    (tmp_path / "metrics.json").write_text("{}")
    record_end(run, Ended("a", 0, "", 1.0), str(tmp_path))
    assert (run.status, run.metrics, run.error) == (DONE, {}, "")
    (tmp_path / "metrics.json").write_text('{"training_loss": 1.5}')
    record_end(run, Ended("a", 0, "", 1.0), str(tmp_path))
    assert (run.status, run.metrics, run.error) == (DONE, {"training_loss": 1.5}, "")


def test_the_metric_of_a_config() -> None:
    assert validation_metric({"trainer": {"validation_metric": "+accuracy"}}) == "+accuracy"
    assert validation_metric({"trainer": {"validation_metric": ["+f1", "-loss"]}}) == "+f1"
    assert validation_metric({"trainer": {"type": "counting"}}) == "-loss"
