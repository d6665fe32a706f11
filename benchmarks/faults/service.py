"""Processes as a service manager runs them: started again when they end, ended when we do, however we do.

Each runs below a keeper (`shared.keeper`), so that nothing is left when the suite itself is killed.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from shared.command import ANSWER_IS_NO
from shared.keeper import kept

ROOT = Path(__file__).resolve().parents[2]
RESTART_S = 0.3
STOP_S = 15.0


class Service:
    """One process that is to run. Drive it with `tick`, often, from one thread."""

    def __init__(
        self, name: str, command: Callable[[], Sequence[str]], log: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        """``command``: asked anew at each start."""
        self.name = name
        self.starts = 0
        self.held = False
        self.code: int | None = None
        """The exit code of the last process that ended; that of a killed one is its signal's number."""
        self.gave_up = 0
        """How often it ended with 1: by itself, while it was at work."""
        self._command, self._log = command, log
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SELFMIS_")},
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            **(environ or {}),
        }
        self._keeper: subprocess.Popen[bytes] | None = None
        self._start_at = 0.0

    def start(self) -> None:
        """Begin, now."""
        with self._log.open("ab") as log:
            self._keeper = subprocess.Popen(
                kept(self._command()),
                cwd=self._log.parent,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.starts += 1

    def tick(self) -> bool:
        """Start it again if it has ended, unless it is ``held``; whether it runs."""
        if self._keeper is None:
            return False
        code = self._keeper.poll()
        if code is None:
            return True
        if self._start_at == 0.0:
            self.code, self._start_at = code, time.monotonic() + RESTART_S
            self.gave_up += code == ANSWER_IS_NO
        if not self.held and time.monotonic() >= self._start_at:
            self._start_at = 0.0
            self.start()
        return False

    @property
    def pid(self) -> int | None:
        """The process itself, not its keeper; None while there is none."""
        found = self.processes()
        return found[0].pid if found else None

    def processes(self) -> list[psutil.Process]:
        """The process and all below it."""
        if self._keeper is None or self._keeper.poll() is not None:
            return []
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self._keeper.pid).children(recursive=True)
        return []

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal, if there is one."""
        pid = self.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """End it in order, and if it does not, out of order. It stays ended."""
        self.held = True
        if self._keeper is None:
            return
        processes = self.processes()
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.resume()
        self._keeper.terminate()
        try:
            self._keeper.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self._keeper = None

    def said(self, lines: int = 3) -> str:
        """The last it said."""
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        return " | ".join(text.strip().splitlines()[-lines:])
