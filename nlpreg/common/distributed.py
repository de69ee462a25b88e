"""Which of several processes this one is."""

from __future__ import annotations

import contextlib
import os
import socket
import sys


def is_distributed() -> bool:
    """Whether a torch process group is up."""
    # where the module is not loaded, nobody can have started a group: no need to load it to find out
    dist = sys.modules.get("torch.distributed")
    return dist is not None and dist.is_available() and dist.is_initialized()


def is_global_primary() -> bool:
    """Whether this is rank 0, or the only process."""
    if not is_distributed():
        return True
    import torch.distributed as dist

    return dist.get_rank() == 0


def is_under_torchrun() -> bool:
    """Whether torchrun started this process as one of several."""
    return "LOCAL_RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def find_open_port() -> int:
    """A TCP port of this machine that nobody listens on at the moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("", 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port: int = sock.getsockname()[1]
        return port


def stay_on_this_machine() -> None:
    """Let the processes of a group that is all on this machine talk over its loopback interface.

    By default gloo looks up the name of the machine, which takes long where there is no network, and may lead anywhere.
    """
    with contextlib.suppress(OSError):
        loopbacks = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
        if loopbacks:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", loopbacks[0])
