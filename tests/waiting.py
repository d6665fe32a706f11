"""Waiting for what must come."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil


def until(condition: Callable[[], object], what: str = "it", seconds: float = 60) -> None:
    """Wait; the time limit is there so that a test fails instead of hanging, and generous: machines are busy."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came, in {seconds:g} s: {what}"
        time.sleep(0.02)


def until_nothing_runs_in(folder: Path) -> None:
    """Wait until no process is alive that has ``folder``, or one in it, as its own or in its command line."""
    until(
        lambda: not any(str(folder) in _line(process) for process in psutil.process_iter()), f"the end of {folder}"
    )


def _line(process: psutil.Process) -> str:
    try:
        return f"{process.cwd()} {' '.join(process.cmdline())}"
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""
