from pathlib import Path

import pytest

from nlpreg.commands.command_line import exit_status as main


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    contents = {
        "b/metrics.json": '{"best_validation_loss": 0.5, "epoch": 3, "test_loss": 1.5}',
        "a/deep/metrics.json": '{"best_validation_loss": 0.25, "epoch": 4}',
        "a/other.json": '{"best_validation_loss": 9}',
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def test_chosen_metrics(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["print-results", str(runs), "-k", "best_validation_loss", "test_loss"]
    assert main("nlpreg", arguments) == 0
    width = len(str(runs)) + len("/a/deep")
    assert capsys.readouterr().out.splitlines() == [
        f"{'run':{width}}  best_validation_loss  test_loss",
        f"{runs}/a/deep                0.2500        N/A",
        f"{str(runs) + '/b':{width}}                0.5000     1.5000",
    ]
    assert main("nlpreg", [*arguments, "--csv"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "model_run, best_validation_loss, test_loss",
        f"{runs}/a/deep/metrics.json, 0.25, N/A",
        f"{runs}/b/metrics.json, 0.5, 1.5",
    ]


def test_keys_add_up(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["print-results", str(runs), "-k", "epoch", "-k", "test_loss"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["run", "epoch", "test_loss"]


def test_without_keys_the_important_ones_are_shown(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["print-results", str(runs)]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["run", "best_validation_loss", "test_loss"]


def test_another_file_name(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["print-results", str(runs), "-m", "other.json", "-k", "best_validation_loss", "--csv"]
    assert main("nlpreg", arguments) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [f"{runs}/a/other.json, 9"]


@pytest.mark.parametrize(("content", "message"), [("{", "not valid JSON"), ("[1]", "expected a JSON object")])
def test_bad_files_are_named(
    content: str, message: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "b" / "metrics.json").write_text(content)
    assert main("nlpreg", ["print-results", str(runs)]) == 2
    shown = capsys.readouterr().err
    assert str(runs / "b" / "metrics.json") in shown and message in shown


def test_what_is_not_there_is_said(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["print-results", str(runs), "-k", "test_los", "epoch"]) == 0
    assert 'no run has test_los; did you mean "test_loss"?' in capsys.readouterr().err
    assert main("nlpreg", ["print-results", str(runs), "-m", "nothing.json"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "" and f"no nothing.json below {runs}" in shown.err


def test_mean_and_spread_of_seeds_and_folds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in {
        "x/seed_1": '{"best_validation_loss": 0.5, "best_epoch": 3}',
        "x/seed_2": '{"best_validation_loss": 1.5, "best_epoch": 4}',
        "x/seed_3": '{"best_validation_loss": "NaN", "best_epoch": 5}',
        "y/fold_0": '{"best_validation_loss": 0.25, "best_epoch": 1}',
    }.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "metrics.json").write_text(content)
    assert main("nlpreg", ["print-results", str(tmp_path), "-k", "best_validation_loss", "best_epoch"]) == 0
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    cells = [[cell.strip() for cell in row if cell] for row in rows]
    assert cells == [
        ["run", "best_validation_loss", "best_epoch"],
        # of 0.5 and 1.5 the mean is 1 and the standard deviation the square root of 1/2
        [f"{tmp_path}/x (3 seeds)", "1.0000 ± 0.7071 (of 2)", "4.0000 ± 1.0000"],
        [f"{tmp_path}/x/seed_1", "0.5000", "3"],
        [f"{tmp_path}/x/seed_2", "1.5000", "4"],
        [f"{tmp_path}/x/seed_3", "NaN", "5"],
        [f"{tmp_path}/y/fold_0", "0.2500", "1"],
    ]
