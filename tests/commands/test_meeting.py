import socket

import pytest

from nlpreg.commands import meeting
from nlpreg.commands.failures import WorkerFailure
from nlpreg.commands.meeting import Meeting, join_store
from nlpreg.common.checks import ConfigurationError


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECONDS_TO_LEAVE", "SECONDS_FOR_CAUSES", "SECONDS_TO_MEET", "SECONDS_OF_SILENCE"):
        monkeypatch.setattr(meeting, name, 0.0)


@pytest.fixture
def two() -> tuple[Meeting, Meeting]:
    first = Meeting("127.0.0.1", None, num_machines=2)
    return first, Meeting("127.0.0.1", first.port, num_machines=2, machine=1)


def test_one_machine_has_nobody_to_look_for() -> None:
    alone = Meeting("127.0.0.1", None)
    alone.look()
    failure = WorkerFailure(0, "ValueError", 1)
    assert alone.cause(failure) is failure
    join_store("127.0.0.1", alone.port).set("word", "heard")
    alone.leave()


def test_a_failure_is_known_to_all(two: tuple[Meeting, Meeting]) -> None:
    first, second = two
    failure = WorkerFailure(1, "ValueError: bad data", 2)
    assert second.cause(failure) is failure
    with pytest.raises(WorkerFailure, match="machine 1, process 1: ValueError: bad data") as told:
        first.look()
    assert told.value.status == 2
    assert first.cause(told.value) is told.value


def test_the_cause_is_reported_and_not_what_followed_from_it(two: tuple[Meeting, Meeting]) -> None:
    first, second = two
    followed = WorkerFailure(0, "RuntimeError: [gloo/pair.cc] Connection closed by peer", 1)
    assert first.cause(followed) is followed  # as long as nothing better is known
    second.cause(WorkerFailure(1, "was ended by SIGKILL", 1))
    assert str(first.cause(followed)) == "machine 1, process 1: was ended by SIGKILL"


def test_silence_is_a_failure_unless_the_machine_has_left(two: tuple[Meeting, Meeting]) -> None:
    first, second = two
    first.look()
    first.look()  # the second one has not begun
    second.look()
    first.look()
    with pytest.raises(WorkerFailure, match=r"machine 1: nothing was heard of it for \d+ s"):
        first.look()
    second.leave()
    first.look()


def test_the_first_machine_is_gone(two: tuple[Meeting, Meeting]) -> None:
    first, second = two
    second.look()
    del first._store
    with pytest.raises(WorkerFailure, match="machine 0: lost touch with it"):
        for _ in range(2):
            second.look()
    failure = WorkerFailure(1, "lost connection", 1)
    assert second.cause(failure) is failure
    second.leave()


def test_others_begin_when_the_first_machine_is_ready(two: tuple[Meeting, Meeting]) -> None:
    first, second = two
    first.cause(WorkerFailure(None, "the folder is not empty", 2))
    with pytest.raises(WorkerFailure, match="machine 0: the folder is not empty"):
        second.wait_for_beginning()
    first.begin()
    second.wait_for_beginning()


def test_mistakes() -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"primary_port: cannot listen on port {port}"):
            Meeting("127.0.0.1", port)
    with pytest.raises(ConfigurationError, match="could not be reached within 0 s .*--node-rank 0"):
        Meeting("127.0.0.1", port, num_machines=2, machine=1)
