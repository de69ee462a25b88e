import os
import socket

from nlpreg.common.distributed import (
    find_open_port,
    is_distributed,
    is_global_primary,
    stay_on_this_machine,
)


def test_a_single_process_is_the_primary_one():
    assert not is_distributed()
    assert is_global_primary()


def test_open_port_can_be_listened_on():
    port = find_open_port()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))
        sock.listen()


def test_the_loopback_interface_is_used_unless_somebody_chose_another(monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth7")
    stay_on_this_machine()
    assert os.environ["GLOO_SOCKET_IFNAME"] == "eth7"
    monkeypatch.delenv("GLOO_SOCKET_IFNAME")
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(2, "eth0"), (1, "lo")])
    stay_on_this_machine()
    assert os.environ.pop("GLOO_SOCKET_IFNAME") == "lo"
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(2, "eth0")])
    stay_on_this_machine()
    assert "GLOO_SOCKET_IFNAME" not in os.environ
