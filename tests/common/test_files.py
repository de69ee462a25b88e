import errno
import os
import select
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nlpreg.common import files
from nlpreg.common.caching import FileLock, hardlink_or_copy
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.files import atomic_write, read_text


def test_the_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_write(path, "w") as file:
        file.write("é")
        assert not path.exists()
    assert path.read_bytes() == "é".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_a_full_disk_is_reported_with_the_name_of_the_file() -> None:
    with (
        pytest.raises(OSError, match=r"No space left on device: '/dev/full'"),
        atomic_write("/dev/full") as file,
    ):
        file.write(b"x")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nb\ncaf\xe9\n", r"a\.txt, line 3: expected text in UTF-8, got the byte 0xe9; .*-f LATIN1"),
        (b"\xef\xbb\xbf\nb\xff", r"a\.txt, line 2: expected text in UTF-8, got the byte 0xff; .*-f LATIN1"),
        ("é".encode("utf-16"), r"a\.txt, line 1: expected text in UTF-8, got the byte 0xff; .*-f UTF-16"),
    ],
)
def test_text_in_another_encoding_is_named(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ConfigurationError, match=message):
        read_text(tmp_path / "a.txt")


def test_text_without_its_mark_and_with_its_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffé\r\n\x85\n".encode())
    assert read_text(tmp_path / "a.txt") == "é\r\n\x85\n"


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_wrong_use(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="expected mode 'w' or 'wb', got 'a'"),
        atomic_write(tmp_path / "a", "a"),
    ):
        pass
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "missing" / "a"):
        pass


def test_devices_are_written_in_place_and_links_go_on_pointing(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(pipe) as file:
        file.write(b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert not pipe.is_file() and [path.name for path in tmp_path.iterdir()] == ["pipe"]
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "target").read_bytes() == b"new" and (tmp_path / "link").is_symlink()


def test_link_where_possible(tmp_path):
    (tmp_path / "a").write_text("1")
    hardlink_or_copy(tmp_path / "a", tmp_path / "b")
    assert os.path.samefile(tmp_path / "a", tmp_path / "b")


def test_copy_across_devices(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("1")

    def refuse(*args):
        raise OSError(errno.EXDEV, "other device")

    monkeypatch.setattr(os, "link", refuse)
    hardlink_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "1"
    assert not os.path.samefile(tmp_path / "a", tmp_path / "b")


def test_other_errors_stay_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        hardlink_or_copy(tmp_path / "absent", tmp_path / "b")


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
    with pytest.raises(TimeoutError, match="lock"):
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
    monkeypatch.setattr(files, "SECONDS_BEFORE_WARNING", 0.0)
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
    assert "continuing without the lock" in caplog.text
    with pytest.raises(PermissionError, match="no"):
        FileLock(path).acquire()
