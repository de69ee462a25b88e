"""Runs in processes of their own, which are asked to end, or of which one fails."""

import contextlib
import json
import os
import pydoc
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from child_processes import youngest_child

from nlpreg.commands.command_line import exit_status as main
from nlpreg.common.digests import digest_of
from nlpreg.models.archival import load_archive

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")

SECONDS = 100
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `nlpreg train` on a config, in `tmp_path/out`, and waits for its first checkpoint."""
    started: list[subprocess.Popen[str]] = []

    def start_run(config: dict[str, Any], *options: str, folder: str = "out") -> subprocess.Popen[str]:
        file = tmp_path / f"{folder}.json"
        file.write_text(json.dumps(config))
        arguments = ["train", str(file), "-s", str(tmp_path / folder), "-q", *options]
        process = subprocess.Popen(
            [sys.executable, "-m", "nlpreg", *arguments],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        deadline = time.monotonic() + SECONDS
        while not list((tmp_path / folder).glob("training_state_*")) and process.poll() is None:
            assert time.monotonic() < deadline, "no checkpoint yet"
            time.sleep(0.05)
        return process

    yield start_run
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=SECONDS)
    return process.returncode, errors


def long_run(tagger: dict[str, Any], **more: Any) -> dict[str, Any]:
    trainer = {**tagger["trainer"], "num_epochs": 100_000}
    if more:
        del trainer["cuda_device"]
    return {**tagger, "trainer": trainer, **more}


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 75, "ended on request")],
)
def test_a_run_that_is_asked_to_end(
    number: signal.Signals, status: int, word: str, tagger: dict[str, Any], tmp_path: Path, start: Start
) -> None:
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("the tests were started with this signal switched off, which processes inherit")
    process = start(long_run(tagger))
    process.send_signal(number)
    code, errors = outcome(process)
    assert code == status
    folder = tmp_path / "out"
    errors = errors.replace("\nending after this step; Ctrl-C again ends at once\n", "")
    assert errors == f"nlpreg: {word}; resume with: nlpreg train {folder}/config.json -s {folder} -r\n"
    assert (folder / "model.tar.gz").exists()
    assert not list(folder.rglob("*.tmp"))


END_OF_A_RUN = [
    ("nlpreg.training.run.TrainingRun.load_best_weights", 1),
    ("nlpreg.commands.train.experiment.TrainModel.test", 1),
    ("nlpreg.commands.train.experiment.TrainModel.finish", 1),
    ("nlpreg.commands.train.experiment.dump_metrics", 1),
    ("nlpreg.commands.train.process.archive_model", 1),
    ("tarfile.TarFile.addfile", 1),
    ("tarfile.TarFile.addfile", 3),
    ("nlpreg.commands.train.process.metrics_block", 1),
    ("nlpreg.commands.train.run.release_global_logging", 1),
]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
@pytest.mark.parametrize(("function", "call"), END_OF_A_RUN)
def test_a_run_that_is_asked_to_end_when_it_is_almost_done(
    function: str,
    call: int,
    number: signal.Signals,
    status: int,
    tagger: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It ends with 0 and a whole archive, or says how to resume it, and can be resumed."""
    calls = 0
    original = pydoc.locate(function)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            signal.raise_signal(number)
        return original(*args, **kwargs)

    folder = tmp_path / "out"
    (tmp_path / "c.json").write_text(
        json.dumps({**tagger, "test_data_path": tagger["train_data_path"], "evaluate_on_test": True})
    )
    arguments = ["train", str(tmp_path / "c.json"), "-s", str(folder), "-q"]
    with monkeypatch.context() as patch:
        patch.setattr(function, interrupted)
        code = main("nlpreg", arguments)
    assert calls >= call
    if code != 0:
        assert code == status
        assert f"resume with: nlpreg train {folder}/config.json -s {folder} -r" in capsys.readouterr().err
        assert main("nlpreg", [*arguments, "-r"]) == 0
    assert json.loads((folder / "metrics.json").read_text())["test_accuracy"] >= 0
    assert load_archive(folder / "model.tar.gz").model.vocab.get_vocab_size() > 2
    assert not list(folder.rglob("*.tmp"))


@pytest.mark.slow
def test_processes_that_are_asked_to_end(tagger: dict[str, Any], tmp_path: Path, start: Start) -> None:
    process = start(long_run(tagger, distributed={"cuda_devices": [-1, -1]}))
    process.send_signal(signal.SIGTERM)
    code, errors = outcome(process)
    assert (code, errors.startswith("nlpreg: ended on request; resume with: nlpreg train")) == (75, True)


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run(tagger: dict[str, Any], tmp_path: Path, start: Start) -> None:
    process = start(long_run(tagger, distributed={"cuda_devices": [-1, -1]}))
    os.kill(youngest_child(process), signal.SIGKILL)
    code, errors = outcome(process)
    assert code == 1
    # nothing comes after the error, such as warnings of resource trackers
    *_, error, hint = errors.splitlines()
    assert "was killed by SIGKILL" in error and hint.startswith("(--debug") and "Traceback" not in errors


def test_two_processes(tagger: dict[str, Any], tmp_path: Path, start: Start) -> None:
    del tagger["trainer"]["cuda_device"]
    test = {"test_data_path": tagger["validation_data_path"], "evaluate_on_test": True}
    process = start({**tagger, **test, "distributed": {"cuda_devices": [-1, -1]}})
    assert outcome(process) == (0, "")
    folder = tmp_path / "out"
    assert {"out_worker0.log", "out_worker1.log", "model.tar.gz"} <= {p.name for p in folder.iterdir()}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["test_accuracy"] == metrics["best_validation_accuracy"]  # over both processes' sentences
    assert "module." not in next(iter(torch.load(folder / "best.th", weights_only=True)))


@pytest.mark.slow
def test_a_mistake_in_one_of_two_processes(tagger: dict[str, Any], tmp_path: Path, start: Start) -> None:
    (tmp_path / "valid.txt").write_text("oh###INTJ dogs###NOUN\na###DET cat###NOUN\n")
    del tagger["trainer"]["cuda_device"]
    config = {
        **tagger,
        "datasets_for_vocab_creation": ["train"],
        "distributed": {"cuda_devices": [-1, -1]},
    }
    started = time.monotonic()
    code, errors = outcome(start(config))
    assert time.monotonic() - started < SECONDS
    assert code == 2
    assert errors.startswith("nlpreg: error: process 0: ") and "'INTJ'" in errors
    assert "Traceback" in (tmp_path / "out" / "out_worker0.log").read_text()


@pytest.mark.slow
def test_under_torchrun(tagger: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps(tagger))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    command = [*launcher, "nlpreg", "train", str(tmp_path / "c.json"), "-s", str(tmp_path / "out"), "-q"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=SECONDS)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"out_worker0.log", "out_worker1.log", "model.tar.gz", "metrics.json"} <= names


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(torch.cpu.Stream, "record_event"), reason="this torch cannot shard on the CPU"
)
@pytest.mark.parametrize("save_sharded", [False, True], ids=["gathered", "sharded"])
def test_shards_go_on_in_more_processes(save_sharded: bool, tagger: dict[str, Any], tmp_path: Path) -> None:
    del tagger["trainer"]["cuda_device"]
    tagger["trainer"]["num_epochs"] = 100_000
    tagger["trainer"]["checkpointer"] = {"save_sharded": save_sharded}
    tagger["validation_data_path"] = tagger["train_data_path"]  # enough for three
    config = {**tagger, "distributed": {"ddp_accelerator": "fsdp2"}}
    (tmp_path / "c.json").write_text(json.dumps(config))
    folder = tmp_path / "out"
    for size, options in ((2, []), (3, ["-r"])):
        epochs = len(list(folder.glob("metrics_epoch_*"))) + 2
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={size}"]
        process = subprocess.Popen(
            [*launcher, "-m", "nlpreg", "train", str(tmp_path / "c.json"), "-s", str(folder), *options],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + SECONDS
            while len(list(folder.glob("metrics_epoch_*"))) < epochs and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            process.terminate()  # torchrun passes it on, and ends its processes by force after 30 s
            try:
                process.wait(timeout=SECONDS)
            finally:
                process.kill()
        assert len(list(folder.glob("metrics_epoch_*"))) >= epochs
        records = [json.loads(path.read_text()) for path in folder.glob("checkpoint_*.json")]
        # the training state, and the weights in one file, or a file of each process with one of metadata
        assert 2 + size * save_sharded in {len(record) for record in records}
    assert "saved by 2 processes and is resumed by 3" in (folder / "out_worker0.log").read_text()
    assert torch.load(folder / "best.th", weights_only=True)["encoder._module.weight_ih_l0"].shape == (16, 4)


@pytest.mark.parametrize(
    "loader",
    [
        pytest.param({}, id="in memory"),
        pytest.param({"max_instances_in_memory": 2}, id="streamed", marks=pytest.mark.slow),
    ],
)
def test_fewer_instances_than_processes(
    tagger: dict[str, Any], tmp_path: Path, start: Start, loader: dict[str, int]
) -> None:
    """Of validation data each process takes what there is; without training data a process cannot take part."""
    del tagger["trainer"]["cuda_device"]
    tagger["data_loader"] = {"batch_size": 2, **loader}
    one = tmp_path / "one.txt"
    one.write_text("the###D dog###N\n")
    few = {**tagger, "validation_data_path": str(one), "distributed": {"cuda_devices": [-1, -1]}}
    assert outcome(start(few)) == (0, "")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert 0 <= metrics["best_validation_accuracy"] <= 1
    code, errors = outcome(start({**few, "train_data_path": str(one)}, "-f"))
    assert code == 2
    assert "train_data_path" in errors and "fewer instances, or batches, than processes" in errors


def seconds_to_first_checkpoint(config: dict[str, Any], start: Start) -> float:
    """How long a run takes from the start of its process to its first checkpoint."""
    began = time.monotonic()
    process = start(config, folder="timed")
    seconds = time.monotonic() - began
    os.killpg(process.pid, signal.SIGKILL)
    return seconds


def ask_at(
    seconds: float, config: dict[str, Any], folder: Path, send: Callable[[int, int], None]
) -> tuple[int, str]:
    """Start a run, send SIGTERM after some seconds, and wait for its end.

    Returns:
        Its exit status as a shell shows it, and what it wrote to standard error.
    """
    file = folder.with_suffix(".json")
    file.write_text(json.dumps(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "nlpreg", "train", str(file), "-s", str(folder), "-q"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        time.sleep(seconds)
        send(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode, errors


def assert_ended_well(code: int, errors: str, folder: Path, seconds: float) -> None:
    """Expect 143 where nothing is to be resumed, and 75 where a checkpoint holds everything."""
    assert code in (75, 143), (seconds, code, errors)
    assert "Traceback" not in errors, (seconds, errors)
    assert (f"resume with: nlpreg train {folder}/config.json" in errors) == (code == 75), (seconds, errors)
    if code == 75:
        newest = max(folder.glob("checkpoint_*.json"), key=lambda path: path.stat().st_mtime)
        for name, digest in json.loads(newest.read_text()).items():
            assert digest_of(folder / name) == digest, (seconds, name)
    assert not list(folder.rglob("*.tmp"))


WITH_WORKERS = {"data_loader": {"batch_size": 2, "shuffle": True, "num_workers": 2}}


def in_two_processes(tagger: dict[str, Any], **more: Any) -> dict[str, Any]:
    return long_run(tagger, distributed={"cuda_devices": [-1, -1]}, **more)


@pytest.mark.parametrize("part", [0.1, 0.6])
def test_sigterm_during_start_up(part: float, tagger: dict[str, Any], tmp_path: Path) -> None:
    seconds = part * 5
    code, errors = ask_at(seconds, long_run(tagger), tmp_path / "out", os.kill)
    assert_ended_well(code, errors, tmp_path / "out", seconds)


def test_sigterm_to_the_group_with_workers(tagger: dict[str, Any], tmp_path: Path, start: Start) -> None:
    process = start({**long_run(tagger), **WITH_WORKERS})
    os.killpg(process.pid, signal.SIGTERM)
    code, errors = outcome(process)
    assert_ended_well(code, errors, tmp_path / "out", 0)
    assert code == 75


@pytest.mark.slow
def test_ten_sigterms_during_start_up(tagger: dict[str, Any], tmp_path: Path, start: Start) -> None:
    config = long_run(tagger)
    whole = seconds_to_first_checkpoint(config, start)
    for number in range(10):
        seconds = whole * (number + 0.5) / 10
        folder = tmp_path / f"out{number}"
        code, errors = ask_at(seconds, config, folder, os.kill)
        assert_ended_well(code, errors, folder, seconds)


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [range(5), range(5, 10)], ids=["starting", "training"])
@pytest.mark.parametrize("kind", ["workers", "ranks", "workers of ranks"])
def test_ten_sigterms_to_the_group(
    kind: str, numbers: range, tagger: dict[str, Any], tmp_path: Path, start: Start
) -> None:
    config = in_two_processes(tagger) if "ranks" in kind else long_run(tagger)
    if "workers" in kind:
        config |= WITH_WORKERS
    whole = seconds_to_first_checkpoint(config, start)
    for number in numbers:
        seconds = whole * (number + 1) / 5
        folder = tmp_path / f"out{number}"
        code, errors = ask_at(seconds, config, folder, os.killpg)
        assert_ended_well(code, errors, folder, seconds)


@pytest.mark.skipif(shutil.which("timeout") is None, reason="needs GNU timeout")
def test_under_timeout(tagger: dict[str, Any], tmp_path: Path) -> None:
    """`timeout` sends SIGTERM to its process group, when it is the leader of one, and ends with the status of the command."""
    (tmp_path / "c.json").write_text(json.dumps({**long_run(tagger), **WITH_WORKERS}))
    folder = tmp_path / "out"
    # enough for a checkpoint on a busy machine; --preserve-status: otherwise it ends with 124
    done = subprocess.run(
        [
            "timeout",
            "--preserve-status",
            "20",
            sys.executable,
            "-m",
            "nlpreg",
            "train",
            str(tmp_path / "c.json"),
            "-s",
            str(folder),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        start_new_session=True,
    )
    assert_ended_well(done.returncode, done.stderr, folder, 20)
