import contextlib
import functools
import io
import logging
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nlpreg.common.runtime.environment import run_seed, set_run_seed
from nlpreg.data.data_loaders import WorkerError, worker_pool
from nlpreg.data.data_loaders.worker_pool import (
    BrokenWorkerPipe,
    Outbox,
    WorkerPool,
    from_bytes,
    safe_to_fork,
    to_bytes,
)


def test_the_text_holds_both() -> None:
    error = WorkerError("ValueError('bad line 3')", ["Traceback\n", "  line 7\n"])
    assert "ValueError('bad line 3')" in str(error)
    assert "Traceback\n  line 7" in str(error)
    assert "whole text" in str(WorkerError("x", "whole text"))


def test_it_pickles() -> None:
    error = pickle.loads(pickle.dumps(WorkerError("x", "y")))
    assert isinstance(error, WorkerError)
    assert str(error) == str(WorkerError("x", "y"))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6).view(2, 3),
        torch.tensor([], dtype=torch.int64),
        torch.tensor(True),
        torch.ones(2, 3).t(),
        torch.ones(2, dtype=torch.bfloat16),
        torch.eye(2).to_sparse(),
        torch.arange(1000).view(10, 100),
        torch.arange(1000) - 1,
        torch.arange(1000) * 2**50,
    ],
)
def test_tensors_of_every_kind(tensor: torch.Tensor) -> None:
    received = from_bytes(to_bytes({"x": [tensor]}))["x"][0]
    assert received.dtype == tensor.dtype
    assert torch.equal(received.to_dense(), tensor.to_dense())


def test_what_arrives_can_be_written_to() -> None:
    received = from_bytes(to_bytes(torch.zeros(3)))
    received += 1
    assert received.tolist() == [1, 1, 1]


def test_other_objects() -> None:
    batch = {"metadata": [{"words": ["é"]}, None], "array": np.arange(3)}
    received = from_bytes(to_bytes(batch))
    assert received["metadata"] == batch["metadata"]
    assert received["array"].tolist() == [0, 1, 2]


def test_parameters_keep_their_class() -> None:
    received = from_bytes(to_bytes(torch.nn.Parameter(torch.ones(2))))
    assert isinstance(received, torch.nn.Parameter)
    assert received.requires_grad


def test_small_ids_take_little_room() -> None:
    assert len(to_bytes(torch.arange(10_000) % 200)) < 11_000
    assert len(to_bytes(torch.arange(10_000))) < 21_000


@pytest.fixture(params=["pipe", "sockets"])
def ends(request: pytest.FixtureRequest) -> tuple[Connection, Connection]:
    """Where to receive, and where to send."""
    return multiprocessing.Pipe(duplex=request.param == "sockets")


def test_messages_arrive_whole_and_in_order(ends: tuple[Connection, Connection]) -> None:
    receiver, sender = ends
    outbox = Outbox(sender, 3)
    messages = [b"", b"short", b"x" * 50_000, b"end"]
    for message in messages:
        outbox.put(b"kind:", message)
    assert [receiver.recv_bytes() for _ in messages] == [b"kind:" + message for message in messages]


def test_what_finds_no_room_is_sent_later(ends: tuple[Connection, Connection]) -> None:
    receiver, sender = ends
    outbox = Outbox(sender, 4)
    messages = [bytes([number]) * 2_000_000 for number in range(4)]
    for message in messages:
        outbox.put(message)  # does not wait, though nobody receives
    sending = threading.Thread(target=outbox.flush, daemon=True)
    sending.start()
    assert [receiver.recv_bytes() for _ in messages] == messages
    sending.join(10)
    assert not sending.is_alive()


def test_nobody_listens(ends: tuple[Connection, Connection]) -> None:
    receiver, sender = ends
    outbox = Outbox(sender, 3)
    receiver.close()
    with pytest.raises(BrokenWorkerPipe, match=r"(?i)pipe|reset"):
        outbox.put(b"x")


class SlowStream(io.StringIO):
    """Takes its time to write, and knows whether it is at it."""

    writing = False

    def write(self, text: str) -> int:
        self.writing = True
        time.sleep(0.002)
        self.writing = False
        return super().write(text)


@pytest.fixture
def stream() -> SlowStream:
    return SlowStream()


@pytest.fixture
def logger(stream: SlowStream) -> logging.Logger:
    logger = logging.Logger("test_forking", logging.INFO)
    logger.addHandler(logging.StreamHandler(stream))
    logging.root.manager.loggerDict["test_forking"] = logger
    yield logger
    del logging.root.manager.loggerDict["test_forking"]


def test_nobody_else_is_in_the_middle_of_writing(logger: logging.Logger, stream: SlowStream) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            logger.info("something")
            # a lock is not fair: one that is taken again at once may never be free for others
            time.sleep(0.001)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        for _ in range(20):
            time.sleep(0.003)
            with safe_to_fork():
                assert not stream.writing
                before = stream.getvalue()
                time.sleep(0.004)
                assert stream.getvalue() == before
    finally:
        stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_lock_that_is_not_given_back_is_not_waited_for_long(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "_SECONDS_FOR_A_LOCK", 0.01)
    taken, done = threading.Event(), threading.Event()

    def keep() -> None:
        with logger.handlers[0].lock:
            taken.set()
            done.wait(10)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    assert taken.wait(10)
    with safe_to_fork():
        pass
    done.set()
    thread.join(10)


def test_signals_come_afterwards() -> None:
    caught = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
    try:
        with safe_to_fork():
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            assert not caught
        assert caught == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def items_of(worker: int) -> Iterator[str]:
    """As many items as the square of the worker's number plus one."""
    for number in range((worker + 1) ** 2):
        yield f"{worker}.{number}"


def test_items_in_turn_whichever_worker_is_quicker() -> None:
    def slow_first(worker: int) -> Iterator[str]:
        for item in items_of(worker):
            if worker == 0:
                time.sleep(0.05)
            yield item

    with WorkerPool(slow_first, 3) as pool:
        items = [item for _, item in pool.receive_in_turn([0, 0, 0])]
    # all items sorted by their number, then by their worker
    everything = [item for worker in range(3) for item in items_of(worker)]
    assert items == sorted(everything, key=lambda item: (int(item.split(".")[1]), item))


def test_whose_turn_it_is_depends_on_what_was_given_before() -> None:
    with WorkerPool(items_of, 2) as pool:
        workers = [worker for worker, _ in pool.receive_in_turn([1, 0])]
    assert workers == [1, 0, 1, 1, 1]


def test_the_end_is_told() -> None:
    with WorkerPool(items_of, 1) as pool:
        assert pool.receive(0) == (True, "0.0")
        assert pool.receive(0) == (False, None)


def test_large_items() -> None:
    with WorkerPool(lambda worker: iter([b"x" * 5_000_000] * 3), 1) as pool:
        assert [len(item) for _, item in pool.receive_in_turn([0])] == [5_000_000] * 3


def test_errors_come_with_their_traceback() -> None:
    def fail(worker: int) -> Iterator[int]:
        yield 1
        raise ValueError("file.txt, line 7: bad")

    with WorkerPool(fail, 1) as pool:
        assert pool.receive(0) == (True, 1)
        with pytest.raises(WorkerError, match=r"ValueError\('file.txt, line 7: bad'\)(.|\n)*in fail"):
            pool.receive(0)


def test_a_killed_worker_does_not_hang_us() -> None:
    def report_and_wait(worker: int) -> Iterator[int]:
        yield os.getpid()
        time.sleep(60)

    with WorkerPool(report_and_wait, 2) as pool:
        _, process_id = pool.receive(0)
        os.kill(process_id, signal.SIGKILL)
        with pytest.raises(WorkerError, match="worker 0 .* was killed by SIGKILL(.|\n)*out of memory"):
            pool.receive(0)


@pytest.mark.slow
@pytest.mark.parametrize("start_method", ["spawn", "forkserver"])
def test_a_worker_that_cannot_even_begin_does_not_hang_us(start_method: str, tmp_path: Path) -> None:
    """As where a script starts workers without `if __name__ == "__main__"`, with much to be sent to them."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        import functools, os
        from nlpreg.data.data_loaders import WorkerError
        from nlpreg.data.data_loaders.worker_pool import WorkerPool
        def items(much, worker):
            yield len(much)
        if __name__ != "__main__":
            os._exit(7)
        try:
            with WorkerPool(functools.partial(items, b"x" * 3_000_000), 1, "{start_method}") as pool:
                pool.receive(0)
        except WorkerError as error:
            print(error.original_err_repr)
        """)
    )
    done = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, timeout=60)
    assert "ended with exit code 7" in done.stdout


def reported_and_killed(much: bytes, worker: int) -> Iterator[int]:
    yield len(much)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("start_method", ["spawn", "forkserver"])
def test_much_work_is_sent_and_a_killed_worker_noticed_however_it_was_started(start_method: str) -> None:
    work = functools.partial(reported_and_killed, b"x" * 3_000_000)
    with WorkerPool(work, 2, start_method) as pool:
        assert pool.receive(1) == (True, 3_000_000)
        with pytest.raises(WorkerError, match="worker 1 .* was killed by SIGKILL"):
            pool.receive(1)


def test_errors_that_cannot_be_shown_or_sent() -> None:
    class Unshowable(Exception):
        def __repr__(self) -> str:
            raise ValueError("no")

    def fail(worker: int) -> Iterator[Any]:
        if worker == 0:
            yield lambda: None
        raise Unshowable

    with WorkerPool(fail, 2) as pool:
        with pytest.raises(WorkerError, match="pickle"):
            pool.receive(0)
        with pytest.raises(WorkerError, match="Unshowable"):
            pool.receive(1)


def test_a_worker_leaves_those_of_its_siblings_alone() -> None:
    """A forked process has a copy of the pool that started it; that copy must not end anything."""
    with WorkerPool(items_of, 1) as pool:
        with WorkerPool(lambda worker: iter([pool.close()]), 1) as other:
            assert other.receive(0) == (True, None)
        assert pool.receive(0) == (True, "0.0")


def test_a_worker_may_be_far_ahead_of_a_slow_consumer() -> None:
    with WorkerPool(lambda worker: iter([b"x" * 400_000] * 40), 1, items_ahead=3) as pool:
        assert sum(len(item) for _, item in pool.receive_in_turn([0])) == 16_000_000


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_a_worker_that_waits_for_ever_does_not_hang_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_SECONDS_BETWEEN_CHECKS", 0.05)
    monkeypatch.setattr(worker_pool, "_MAX_IDLE_CHECKS", 20)
    lock = threading.Lock()

    def wait_for_a_lock(worker: int) -> Iterator[int]:
        yield 1
        with lock:
            yield 2

    def work_hard(worker: int) -> Iterator[int]:
        until = time.process_time() + 3
        while time.process_time() < until:
            pass
        yield 1

    with lock, WorkerPool(wait_for_a_lock, 1) as pool:
        assert pool.receive(0) == (True, 1)
        with pytest.raises(
            WorkerError, match=r"has been waiting, .* for 1 s(.|\n)*held when the worker was forked"
        ):
            pool.receive(0)
    with WorkerPool(work_hard, 1) as pool:
        assert pool.receive(0) == (True, 1)


def test_a_worker_that_exits() -> None:
    def leave(worker: int) -> Iterator[int]:
        yield 1
        os._exit(3)

    with WorkerPool(leave, 1) as pool, pytest.raises(WorkerError, match="ended with exit code 3"):
        while True:
            pool.receive(0)


@contextlib.contextmanager
def time_limit(process: subprocess.Popen[str]) -> Iterator[None]:
    """Kill a process that does not do in time what the block waits for."""
    timer = threading.Timer(60, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def is_alive(process_id: int) -> bool:
    try:
        with open(f"/proc/{process_id}/stat") as file:
            return file.read().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_workers_end_with_the_block() -> None:
    def endless(worker: int) -> Iterator[int]:
        while True:
            yield os.getpid()

    with WorkerPool(endless, 2) as pool:
        process_ids = [pool.receive(worker)[1] for worker in range(2)]
        assert all(map(is_alive, process_ids))
    assert not any(map(is_alive, process_ids))


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_workers_end_when_the_parent_is_killed() -> None:
    code = """
        import os, time
        from nlpreg.data.data_loaders.worker_pool import WorkerPool
        def sleep(worker):
            yield os.getpid()
            time.sleep(60)
        with WorkerPool(sleep, 1) as pool:
            print(pool.receive(0)[1], flush=True)
            time.sleep(60)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout, time_limit(parent):
        worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait(10)
    deadline = time.monotonic() + 10
    while is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(worker)


def test_an_interrupt_leaves_no_process_and_no_noise() -> None:
    """Ctrl-C sends SIGINT to every process of the terminal."""
    code = """
        import os, time
        from nlpreg.data.data_loaders.worker_pool import WorkerPool
        def sleep(worker):
            yield os.getpid()
            time.sleep(60)
        try:
            with WorkerPool(sleep, 2) as pool:
                print(pool.receive(0)[1], pool.receive(1)[1], flush=True)
                pool.receive(0)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    with time_limit(process):
        workers = list(map(int, process.stdout.readline().split()))
    os.killpg(process.pid, signal.SIGINT)
    printed, errors = process.communicate(timeout=30)
    assert printed == "interrupted\n"
    assert errors == ""
    assert not any(map(is_alive, workers))


def test_the_seed_of_the_run_reaches_the_workers() -> None:
    set_run_seed(77)
    with WorkerPool(lambda worker: iter([run_seed()]), 1) as pool:
        assert pool.receive(0) == (True, 77)


def test_a_worker_that_cannot_start_takes_the_others_with_it() -> None:
    with pytest.raises(ValueError, match="cannot find context"):
        WorkerPool(items_of, 1, "no such method")
    with (
        pytest.raises(Exception, match="pickle|local object"),
        WorkerPool(lambda worker: iter([1]), 1, "spawn"),
    ):
        pass
