import socket

from nlpreg.common.distributed import find_open_port, is_distributed, is_global_primary


def test_a_single_process_is_the_primary_one():
    assert not is_distributed()
    assert is_global_primary()


def test_open_port_can_be_listened_on():
    port = find_open_port()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))
        sock.listen()
