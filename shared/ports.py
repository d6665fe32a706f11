"""Free ports of this machine, for servers that are about to be started on them."""

import random
import socket
from contextlib import ExitStack

from shared.errors import SelfmisError

HOST = "127.0.0.1"
# Ray's workers take 10002–19999, and the kernel hands out those from 32768 on to whoever connects somewhere.
ASKED_FOR = range(20_000, 32_000)


class PortError(SelfmisError):
    """No port is to be had."""


def free_port() -> int:
    """A port of this machine that nobody listens on now.

    Not the one that binding to port 0 gives: any process that connects somewhere may be given that one next,
    before the server that it is meant for listens on it.
    """
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many of them, all different."""
    found: list[int] = []
    with ExitStack() as held:
        # Chosen by chance, so that two who look at the same time find different ones.
        for port in random.sample(ASKED_FOR, len(ASKED_FOR)):
            if len(found) == count:
                break
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found.append(port)
    if len(found) < count:
        raise PortError(f"fewer than {count} free ports on {HOST} from {ASKED_FOR[0]} on: end what holds them")
    return found
