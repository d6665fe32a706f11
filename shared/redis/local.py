"""Who sits on a port of this machine: nobody, a Redis (which, serving what?), or something else."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from shared.ports import HOST
from shared.redis.server import ServerInfo


@dataclass(frozen=True, slots=True)
class Occupant:
    """The Redis found on a local port, and the folder it serves (None: it does not say)."""

    info: ServerInfo
    serves: Path | None


def occupant_of(port: int) -> Occupant | None:
    """The Redis on a local port, or None where none answers within a second (or it wants a password)."""
    with local_client(port, timeout_s=1.0) as client:
        try:
            info = ServerInfo.parse(client.info())
            folder = client.config_get("dir").get("dir")
        except (RedisError, OSError):
            return None
    return Occupant(info, Path(folder).resolve() if folder else None)


def local_client(port: int, *, timeout_s: float) -> Redis:
    """A client that tries once and has asked nothing yet: for a server that may not be there."""
    return Redis(
        host=HOST,
        port=port,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def taken_by(port: int) -> str | None:
    """Who has a local port, in words; None where it is free."""
    with socket.socket() as probe:
        # As redis-server does: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            reason = error.strerror
        else:
            return None
    occupant = occupant_of(port)
    if occupant is None:
        return f"something else ({reason})"
    return f"another Redis, pid {occupant.info.pid}, which serves {occupant.serves or 'another folder'}"


def process_exists(pid: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be reaped (a zombie) does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, so it is there
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):  # it ended just now, before or while read; or no Linux
        return not Path("/proc/self").exists()
    # pid (name) state …, and the name may hold anything.
    return stat.rpartition(") ")[2][:1] != "Z"
