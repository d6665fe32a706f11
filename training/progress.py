"""How far a long command is: a line that renews itself on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

LOG_EVERY_S = 10.0
TERMINAL_EVERY_S = 0.2


class Progress:
    """Counts what is done of ``total`` and says how fast it goes and how long it will take.

    What was ``skip``ped, because an earlier run did it, counts as done but not towards the rate.
    """

    def __init__(
        self,
        what: str,
        total: int,
        unit: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        out: TextIO | None = None,
    ) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._clock, self._out = clock, sys.stderr if out is None else out
        self._terminal = self._out.isatty()
        self._start = self._said = clock()
        self._done = self._skipped = 0

    def advance(self, done: int, skipped: int = 0) -> None:
        """Add what was done and what was found done; says so if it is time to."""
        self._done += done
        self._skipped += skipped
        now = self._clock()
        if now - self._said >= (TERMINAL_EVERY_S if self._terminal else LOG_EVERY_S):
            self._said = now
            self._say(now)

    def close(self) -> None:
        """The last word."""
        self._say(self._clock())
        if self._terminal:
            self._out.write("\n")
            self._out.flush()

    def line(self, now: float) -> str:
        """Such as ``prepare 2,048 of 3,835 records · 812 records/s · 2 s left``."""
        done, elapsed = self._done + self._skipped, max(now - self._start, 1e-9)
        text = f"{self._what} {done:,} of {self._total:,} {self._unit}"
        if self._skipped:
            text += f" ({self._skipped:,} were done)"
        if self._done:
            rate = self._done / elapsed
            text += f" · {rate:,.0f} {self._unit}/s"
            if done < self._total:
                text += f" · {duration((self._total - done) / rate)} left"
        return text

    def _say(self, now: float) -> None:
        end = "" if self._terminal else "\n"
        self._out.write(f"\r\x1b[K{self.line(now)}" if self._terminal else self.line(now) + end)
        self._out.flush()


def duration(seconds: float) -> str:
    """Seconds for people: ``8 s``, ``3 min 5 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
