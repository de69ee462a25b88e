"""The command line sets the process up before torch is loaded."""

import os
import subprocess
import sys

import pytest

from nlpreg.__main__ import run


@pytest.mark.parametrize(("given", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(
    given: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["nlpreg", "--version"])
    monkeypatch.setenv("OMP_WAIT_POLICY", "")  # remembers how it was, to undo what `run` sets
    monkeypatch.delenv("OMP_WAIT_POLICY")
    if given is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    with pytest.raises(SystemExit) as end:
        run()
    assert end.value.code in (0, None)
    assert os.environ["OMP_WAIT_POLICY"] == expected


def test_half_a_surrogate_pair_does_not_end_a_command() -> None:
    script = "import sys; from nlpreg.__main__ import run; sys.argv = ['nlpreg', '--version']\n"
    script += "try: run()\nexcept SystemExit: print('\\ud800 é')"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("\\ud800 é\n")
