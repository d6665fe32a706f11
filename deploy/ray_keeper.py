"""Sees to it that no process of a local Ray outlives whoever started it.

    python -I ray_keeper.py FOLDER        (standard input: a pipe that the starter holds open)

Ray's raylet and GCS die with their parent, but raylet's agents, once it is gone, spend a minute telling a GCS that
is gone, too (Ray 2.60: the time limit of that call is a constant). The keeper is told by its standard
input that the starter has ended, however: then every process that was born with this Ray's folder in its
environment has some seconds to end by itself, and is killed after that.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

# In the environment of every process of that Ray; `deploy.local` sets it. (Not SELFMIS_…: those are settings.)
MARK = "RAY_FOLDER_OF_SELFMIS"
PATIENCE_S = 3.0
LOOK_EVERY_S = 0.1
_PROC = Path("/proc")  # elsewhere than on Linux nothing is found, and Ray's own minute must do


def keep(folder: str) -> None:
    """Wait for the end of standard input, then for the end of all of them."""
    while sys.stdin.buffer.read(1):
        pass
    deadline = time.monotonic() + PATIENCE_S
    while found := processes_of(folder):
        if time.monotonic() > deadline:
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return
        time.sleep(LOOK_EVERY_S)


def processes_of(folder: str) -> list[int]:
    """The processes of the Ray in that folder that still run (zombies have no environment left)."""
    mark = f"{MARK}={folder}".encode()
    found = []
    for entry in _PROC.glob("[0-9]*"):
        with suppress(OSError):  # somebody else's, or just gone
            if mark in (entry / "environ").read_bytes().split(b"\0") and _is_ray((entry / "cmdline").read_bytes()):
                found.append(int(entry.name))
    return found


def _is_ray(command: bytes) -> bool:
    """Not what somebody else started meanwhile with the same environment."""
    return command.startswith(b"ray::") or b"/ray/" in command


if __name__ == "__main__":
    # Ctrl-C and a terminal that closes are for the starter; the end of our input is what counts.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    keep(sys.argv[1])
