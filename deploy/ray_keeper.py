"""Sees to it that no process of a local Ray outlives whoever started it.

    python -I ray_keeper.py FOLDER        (standard input: a pipe that the starter holds open)

Ray's raylet and GCS die with their parent, but raylet's agents, once it is gone, spend a minute telling a GCS that
is gone, too (Ray 2.60: the time limit of that call is a constant). The keeper is told by its standard
input that the starter has ended, however: then every process that holds a file of this Ray's folder open (each
of Ray's has its log there) has some seconds to end by itself, and is killed after that.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 3.0
LOOK_EVERY_S = 0.1
_PROC = Path("/proc")  # elsewhere than on Linux nothing is found, and Ray's own minute must do


def keep(folder: str, starter: int) -> None:
    """Wait for the end of standard input, then for the end of all of them but the starter."""
    while sys.stdin.buffer.read(1):
        pass
    deadline = time.monotonic() + PATIENCE_S
    while found := [pid for pid in processes_of(folder) if pid != starter]:
        if time.monotonic() > deadline:
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return
        time.sleep(LOOK_EVERY_S)


def processes_of(folder: str) -> list[int]:
    """Which hold a file of that folder open. Titles and environments do not tell: Ray's agents change both."""
    return [int(entry.name) for entry in _PROC.glob("[0-9]*") if _holds(entry, f"{folder}{os.sep}")]


def _holds(process: Path, beginning: str) -> bool:
    try:
        held = list((process / "fd").iterdir())
    except OSError:  # somebody else's, or just gone
        return False
    for each in held:
        with suppress(OSError):  # just closed
            if str(each.readlink()).startswith(beginning):
                return True
    return False


if __name__ == "__main__":
    # Ctrl-C and a terminal that closes are for the starter; the end of our input is what counts.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    keep(sys.argv[1], starter=os.getppid())
