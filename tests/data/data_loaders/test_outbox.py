import multiprocessing
import threading
from multiprocessing.connection import Connection

import pytest

from nlpreg.data.data_loaders.outbox import NobodyListens, Outbox


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
    with pytest.raises(NobodyListens, match=r"(?i)pipe|reset"):
        outbox.put(b"x")
