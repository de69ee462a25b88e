"""The command line sets the process up before torch is loaded."""

import os

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
