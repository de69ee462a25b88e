import os
import select
import subprocess
import sys
import threading

import pytest

from nlpreg.common.caching import FileLock, file_lock

HOLD = """
import sys
from nlpreg.common.file_utils import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other_process(tmp_path):
    """A process that holds the lock until it is told to let go."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert select.select([process.stdout], [], [], 60)[0], "the other process says nothing"
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()
        process.wait(60)


def test_another_process_keeps_us_out_until_it_lets_go(tmp_path, other_process):
    lock = FileLock(tmp_path / "lock", timeout=0.1)
    with pytest.raises(TimeoutError, match=r"has held this lock for 0\.1 s"):
        lock.acquire()
    assert not lock.is_locked
    other_process.stdin.write("\n")
    other_process.stdin.flush()
    with FileLock(tmp_path / "lock", timeout=20) as held:
        assert held.is_locked


def test_a_killed_owner_leaves_no_lock(tmp_path, other_process):
    other_process.kill()
    other_process.wait(60)
    with FileLock(tmp_path / "lock", timeout=5):
        pass


FORK = """
import os, sys
from nlpreg.common.caching import FileLock
lock = FileLock(sys.argv[1]).acquire()
child = os.fork()
if not child:
    sys.stdin.read()  # lives on, and has the lock file open, until the test closes the pipe
    os._exit(0)
lock.release()
FileLock(sys.argv[1], timeout=5).acquire()
print("free")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_process_forked_meanwhile_does_not_keep_the_lock(tmp_path):
    command = [sys.executable, "-c", FORK, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.communicate(timeout=60)[0] == "free\n"


def test_waiting_is_told(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(file_lock, "SECONDS_WITHOUT_A_WORD", 0.0)
    with FileLock(tmp_path / "lock"), pytest.raises(TimeoutError, match="lock"):
        FileLock(tmp_path / "lock", timeout=0.2).acquire()
    (record,) = caplog.records
    assert "waiting for another process, which holds" in record.message


def test_threads_take_turns(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(5):
            with FileLock(tmp_path / "lock"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert max(most) == 1
    assert len(most) == 20


def test_the_same_object_may_enter_again(tmp_path):
    lock = FileLock(tmp_path / "lock")
    with lock:
        with lock:
            pass
        assert lock.is_locked
        with pytest.raises(TimeoutError, match="lock"):
            FileLock(tmp_path / "lock", timeout=0).acquire()
    assert not lock.is_locked
    lock.release()


def test_read_only_ok(tmp_path, monkeypatch, caplog):
    path = tmp_path / "lock"
    path.touch()

    def refuse(*args, **kwargs):
        raise PermissionError(13, "no")

    monkeypatch.setattr(os, "open", refuse)
    with FileLock(path, read_only_ok=True) as lock:
        assert not lock.is_locked
    assert "going on without the lock" in caplog.text
    with pytest.raises(PermissionError, match="no"):
        FileLock(path).acquire()
