"""A run's folder as the report reads it."""

import json

import pytest

from nlpreg.commands.report.run_record import RunRecord
from nlpreg.common.checks import ConfigurationError


def write(folder, **files) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in {"config.json": "{}", **files}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def test_curves_and_times(tmp_path) -> None:
    lines = [
        {"event": "step", "epoch": 0, "step": 5, "learning_rate": 0.5, "training_loss": 9.0},
        {
            "event": "epoch",
            "epoch": 0,
            "step": 10,
            "seconds": 2.0,
            "training_loss": 2.0,
            "validation_f1": 0.5,
        },
        {
            "event": "epoch",
            "epoch": 1,
            "step": 20,
            "seconds": 5.0,
            "training_loss": 1.0,
            "validation_f1": None,
        },
    ]
    write(tmp_path / "a", **{"metrics.jsonl": "".join(json.dumps(line) + "\n" for line in lines)})
    record = RunRecord.read(str(tmp_path / "a"))
    assert record.curves() == {"loss": {"training": [(1, 2.0), (2, 1.0)]}, "f1": {"validation": [(1, 0.5)]}}
    assert record.learning_rate() == [(5, 0.5)]
    assert record.seconds_by_epoch() == [2.0, 3.0]


def test_a_line_that_was_cut_off_is_left_out_and_a_broken_one_is_named(tmp_path) -> None:
    write(tmp_path / "a", **{"metrics.jsonl": '{"event": "epoch", "epoch": 0}\n{"event": "ep'})
    assert len(RunRecord.read(str(tmp_path / "a")).lines) == 1
    write(tmp_path / "a", **{"metrics.jsonl": '{"event"\n{"event": "epoch", "epoch": 0}\n'})
    with pytest.raises(ConfigurationError, match=r"metrics\.jsonl:1: not valid JSON"):
        RunRecord.read(str(tmp_path / "a"))


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_file_is_named(tmp_path, text: str) -> None:
    write(tmp_path / "a", **{"metrics.json": text})
    with pytest.raises(ConfigurationError, match=r"metrics\.json: (not valid JSON|expected a JSON object)"):
        RunRecord.read(str(tmp_path / "a"))


def test_sizes_of_the_vocabulary(tmp_path) -> None:
    write(
        tmp_path / "a",
        **{
            "vocabulary/tokens.txt": "@@UNKNOWN@@\na\nb\n",
            "vocabulary/non_padded_namespaces.txt": "*labels\n",
        },
    )
    assert RunRecord.read(str(tmp_path / "a")).vocabulary == {"tokens": 3}
