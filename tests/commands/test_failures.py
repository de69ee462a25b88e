import argparse
import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nlpreg.commands.console import prepare_run_logging
from nlpreg.commands.failures import WorkerFailure, describe, run_reporting_failures
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.imports import optional
from nlpreg.common.runtime.process import SigTermReceived
from nlpreg.data.data_loaders.worker_pool import as_worker_error


def outcome(error: BaseException | None, **options: object) -> int:
    def action() -> None:
        if error is not None:
            raise error

    return run_reporting_failures(argparse.Namespace(**options), action)


def with_attributes(error: BaseException, **values: object) -> BaseException:
    for name, value in values.items():
        setattr(error, name, value)
    return error


def missing_package() -> ImportError:
    try:
        optional("a_package_that_nobody_has", extra="rare")
    except ImportError as error:
        return error
    raise AssertionError


CASES = [
    (ConfigurationError("model.type: wrong"), "model.type: wrong", 2),
    (
        with_attributes(ConfigurationError("too big"), config_path="model.encoder"),
        "model.encoder: too big",
        2,
    ),
    (with_attributes(ConfigurationError("a.b: bad"), config_path="a.b"), "a.b: bad", 2),
    (with_attributes(ConfigurationError("x.txt, line 1"), config_path="data_loader"), "x.txt, line 1", 2),
    (
        with_attributes(ValueError("batch_size: 0"), config_path="data_loader"),
        "data_loader: batch_size: 0",
        2,
    ),
    (FileNotFoundError(errno.ENOENT, "No such file", "x.txt"), "x.txt: there is no such file or folder", 2),
    (OSError(errno.EROFS, "Read-only file system", "x"), "x: cannot be written, since the file system is", 2),
    (IsADirectoryError(errno.EISDIR, "Is a directory", "x"), "x: this is a folder, expected a file", 2),
    (
        NotADirectoryError(errno.ENOTDIR, "Not a directory", "x/y"),
        "x/y: this is a file, or lies below one",
        2,
    ),
    (PermissionError(errno.EACCES, "Permission denied", "x"), "x: no permission to read or write this", 2),
    (FileExistsError(errno.EEXIST, "File exists", "x"), "x: this already exists", 2),
    (FileNotFoundError("no such URL"), "no such URL", 2),
    (OSError(errno.ENOSPC, "No space left", "out/best.th"), "out/best.th: no space left on the disk", 1),
    (OSError(errno.EIO, "Input/output error"), "Input/output error", 1),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "a file is not UTF-8", 2),
    (missing_package(), "pip install 'nlpreg[rare]'", 2),
    (MemoryError("4 GB"), "out of memory: 4 GB; a smaller batch", 1),
    (WorkerFailure(1, "the data is bad", 2, "Traceback"), "process 1: the data is bad", 2),
    (WorkerFailure(3, "the data is bad", 2, machine=1), "machine 1, process 3: the data is bad", 2),
    (WorkerFailure(None, "nothing was heard of it", 1, machine=0), "machine 0: nothing was heard of it", 1),
    (KeyError("x"), "KeyError: 'x'", 1),
    (RuntimeError(), "RuntimeError: no message", 1),
]


@pytest.mark.parametrize(("error", "message", "status"), CASES, ids=lambda value: str(value)[:40])
def test_errors_are_one_paragraph(
    error: Exception, message: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    text, code = describe(error)
    assert message in text and code == status
    assert outcome(error) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("nlpreg: error: ") and message in shown.err
    assert "Traceback" not in shown.err
    assert ("--debug" in shown.err) == (status == 1)


@pytest.mark.parametrize("way", ["option", "environment"])
def test_debug_shows_the_traceback(
    way: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "environment":
        monkeypatch.setenv("NLPREG_DEBUG", "1")
    else:
        monkeypatch.delenv("NLPREG_DEBUG", raising=False)
    assert outcome(KeyError("x"), debug=way == "option") == 1
    assert "Traceback" in capsys.readouterr().err
    assert os.environ.get("NLPREG_DEBUG") == ("1" if way == "environment" else None)


def test_the_traceback_is_in_the_log_of_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def action() -> None:
        prepare_run_logging(str(tmp_path))
        raise RuntimeError("the cause")

    handlers = list(logging.getLogger().handlers)
    assert run_reporting_failures(argparse.Namespace(), action) == 1
    log = (tmp_path / "out.log").read_text()
    assert "Traceback" in log and "the cause" in log
    assert "Traceback" not in capsys.readouterr().err
    assert logging.getLogger().handlers == handlers


def test_interruptions(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "nlpreg: interrupted\n"
    assert (
        outcome(with_attributes(KeyboardInterrupt(), how_to_continue="resume with: nlpreg train -r")) == 130
    )
    assert capsys.readouterr().err == "nlpreg: interrupted; resume with: nlpreg train -r\n"
    assert outcome(with_attributes(SigTermReceived(), how_to_continue="go on")) == 75
    assert capsys.readouterr().err == "nlpreg: ended on request; go on\n"
    assert outcome(SigTermReceived()) == 143


def test_success_and_broken_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(None) == 0
    assert capsys.readouterr() == ("", "")


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    for number in range(2000):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "metrics.json").write_text('{"a": 1}')
    command = f"{sys.executable} -m nlpreg print-results {tmp_path} -k a --csv"
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.stdout == "model_run, a\n"
    assert result.stderr == ""
    assert result.returncode in (0, 141)


def test_exits_of_the_command_itself_pass() -> None:
    with pytest.raises(SystemExit, match="3"):
        outcome(SystemExit(3))


def test_what_a_worker_of_a_loader_finds_reads_as_in_the_main_process() -> None:
    error = as_worker_error(ConfigurationError("train.txt, line 3: no tag"))
    assert describe(error) == ("train.txt, line 3: no tag", 2)
    message, status = describe(as_worker_error(KeyError("x")))
    assert status == 1 and "raised KeyError('x')" in message


def test_a_request_to_end_is_no_ordinary_exception() -> None:
    assert not issubclass(SigTermReceived, Exception)


def test_a_failure_in_users_code_names_its_innermost_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_failing_parts.py").write_text(
        "import torch\n"
        "class Tagger(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.proj = torch.nn.Linear(4, 3)\n"
        "    def forward(self, x):\n"
        "        return self.proj(x)\n"
    )
    import torch
    from my_failing_parts import Tagger

    def action() -> None:
        Tagger()(torch.zeros(2, 5))

    assert run_reporting_failures(argparse.Namespace(), action) == 1
    said = capsys.readouterr().err
    assert "nlpreg: error: RuntimeError: mat1 and mat2 shapes cannot be multiplied" in said
    assert "my_failing_parts.py:7, in forward: return self.proj(x)" in said
    assert "tensors there: x (2, 5)" in said
    assert "--debug shows where this comes from" in said
    sys.modules.pop("my_failing_parts")
