"""Runs one command and sees to it that it does not outlive the process that asked for it.

    python -I -S keeper.py PARENT_PID COMMAND [ARGUMENT…]

A small process of its own between us and a server (redis-server above all), standard library only, because:
nothing inside a process survives its ``kill -9``; and Linux's parent-death signal alone is
sent when the *thread* that started the child ends, which for a server started from a worker thread
is far too early. The keeper is single-threaded, so for its own child that signal is right.

When the parent is gone, or on SIGTERM, the command gets SIGTERM (redis-server then flushes
its append-only file), and SIGKILL if it takes too long. Its exit code is the keeper's.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

LOOK_EVERY_S = 0.1
PATIENCE_S = 10.0
_PR_SET_PDEATHSIG = 1


def kept(command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` for as long as this process lives."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def keep(parent: int, command: list[str]) -> int:
    """Run ``command`` until it ends or ``parent`` is no longer our parent; its exit code."""
    asked_to_stop = False

    def on_sigterm(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked_to_stop
        asked_to_stop = True

    signal.signal(signal.SIGTERM, on_sigterm)
    # preexec_fn is unsafe only where other threads hold locks; there are none here.
    with subprocess.Popen(command, preexec_fn=_die_with(os.getpid())) as child:  # noqa: PLW1509 - see above
        while child.poll() is None:
            if asked_to_stop or os.getppid() != parent:
                return _stop(child)
            time.sleep(LOOK_EVERY_S)
        return child.returncode


def _stop(child: "subprocess.Popen[bytes]") -> int:
    child.terminate()
    try:
        return child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


class _die_with:  # noqa: N801 - used like a function
    """Called in the child before it becomes the command: end it should the keeper itself be killed."""

    def __init__(self, keeper: int) -> None:
        self.keeper = keeper
        # Loaded before the fork; elsewhere than on Linux only the keeper's own watch is left.
        self.prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def __call__(self) -> None:
        if self.prctl is not None:
            self.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
            if os.getppid() != self.keeper:  # it died before the line above
                os._exit(1)


if __name__ == "__main__":
    raise SystemExit(abs(keep(int(sys.argv[1]), sys.argv[2:])))
