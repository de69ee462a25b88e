"""What a person sees of a short run, on terminals of several widths."""

import re
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main

ROWS = {
    60: """\
epoch          loss    val loss    accuracy     time
1/2          N.NNNN      N.NNNN      N.NNNN     N:NN *
2/2          N.NNNN      N.NNNN      N.NNNN     N:NN""",
    80: """\
epoch          loss    val loss    accuracy       lr   inst/s     time
1/2          N.NNNN      N.NNNN      N.NNNN     0.05        N     N:NN *
2/2          N.NNNN      N.NNNN      N.NNNN     0.05        N     N:NN""",
}
ROWS[120] = ROWS[80]
SCREEN = """\
reading the data
train data: {data}/train.txt: 5 instances, 3 batches
validation data: {data}/valid.txt: 2 instances, 1 batches
vocabulary: labels 4, tokens 15
model: SimpleTagger, 416 parameters
{rows}

metrics (validation and the archived weights: epoch N, the best one)
             training  validation
  accuracy     N.NNNN      N.NNNN
  accuracy3    N.NNNN      N.NNNN
  loss         N.NNNN      N.NNNN

model: {data}/out/model.tar.gz
time N:NN:NN; metrics, log and checkpoints: {data}/out/
"""


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_run_on_the_screen(
    columns: int,
    tagger: dict[str, Any],
    train: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    train(tagger)
    shown = capsys.readouterr().out
    shown = re.sub(r"\d:\d\d:\d\d", "N:NN:NN", shown)
    shown = re.sub(
        r"( +)\d+(?= {5}\d:\d\d( \*)?$)", lambda match: " " * (len(match[0]) - 1) + "N", shown, flags=re.M
    )
    shown = re.sub(r"\d:\d\d(?=( \*)?$)", "N:NN", shown, flags=re.M)
    shown = re.sub(r"\d\.\d{4}", "N.NNNN", shown)
    # whether the second epoch is better than the first is not the question here
    shown = re.sub(r"^(2/2 .*N:NN) \*$", r"\1", shown, flags=re.M).replace("epoch 1, the", "epoch N, the")
    shown = shown.replace("epoch 2, the", "epoch N, the")
    assert shown.splitlines() == SCREEN.format(data=tmp_path, rows=ROWS[columns]).splitlines()
    assert all(
        len(line) <= columns
        for line in shown.splitlines()
        if str(tmp_path) not in line and "metrics (" not in line
    )


def test_the_first_seconds_are_not_silent(
    tagger: dict[str, Any], train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tagger)
    assert capsys.readouterr().err.splitlines() == [f"checking {tmp_path}/out.json"]
    assert main("nlpreg", ["train", str(tmp_path / "out.json"), "-s", str(tmp_path / "other"), "-q"]) == 0
    assert capsys.readouterr() == ("", "")
