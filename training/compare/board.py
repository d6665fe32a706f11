"""How far a grid is, in one line that renews itself on a terminal and comes now and then in a log."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from training import runs
from training.compare.units import Encoding, Unit, folder_of
from training.compare.work import Outcome
from training.progress import LOG_EVERY_S, TERMINAL_EVERY_S, duration

_NAMED = 3
_AT_LEAST = 0.01  # of the work must be done before a time is promised


class Board:
    """Counts units, weighs them by their cost, and reads from their histories how far the running ones are."""

    def __init__(
        self,
        units: Sequence[Unit],
        root: Path,
        found: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        out: TextIO | None = None,
    ) -> None:
        self._root, self._found, self._clock = root, found, clock
        self._out = sys.stderr if out is None else out
        self._live = self._out.isatty()
        self._units = {unit.name: unit for unit in units}
        self._total = sum(unit.cost for unit in units)
        self._running: dict[str, Unit] = {}
        self._ended = 0.0
        self._count = self._broken = 0
        self._start = self._said = clock()

    def began(self, unit: Unit) -> None:
        """A unit is being done."""
        self._running[unit.name] = unit

    def ended(self, outcome: Outcome) -> None:
        """It is no more; one that broke is named at once."""
        unit = self._running.pop(outcome.name)
        self._ended += unit.cost
        self._count += 1
        if outcome.error is not None:
            self._broken += 1
            self._write(f"failed: {outcome.name}: {outcome.error}", last=True)
        elif not self._live:
            self._write(self.line(), last=True)
        self.tick()

    def tick(self) -> None:
        """Say how far it is, if it is time to."""
        now = self._clock()
        if now - self._said >= (TERMINAL_EVERY_S if self._live else LOG_EVERY_S):
            self._said = now
            self._write(self.line(), last=not self._live)

    def close(self) -> None:
        """The last word."""
        if self._live:
            self._write(self.line(), last=True)

    def line(self) -> str:
        """Such as ``compare 12 of 40 units (5 were done) · 34 % · 3 min 5 s left · now upper-12-small-s0-…``."""
        text = f"compare {self._found + self._count} of {self._found + len(self._units)} units"
        if self._found:
            text += f" ({self._found} were done)"
        if self._broken:
            text += f" · {self._broken} failed"
        share = self.share()
        text += f" · {share:.0%}"
        if _AT_LEAST <= share < 1:
            text += f" · {duration((self._clock() - self._start) * (1 - share) / share)} left"
        if self._running:
            names = [*self._running]
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            text += f" · now {', '.join(names[:_NAMED])}{more}"
        return text

    def share(self) -> float:
        """Of the expected work of this run, how much is done."""
        if not self._total:
            return 1.0
        begun = sum(unit.cost * _share_of(unit, self._root) for unit in self._running.values())
        return min(1.0, (self._ended + begun) / self._total)

    def _write(self, text: str, *, last: bool) -> None:
        self._out.write(f"\r\x1b[K{text}" if self._live else text)
        self._out.write("\n" if last else "")
        self._out.flush()


def _share_of(unit: Unit, root: Path) -> float:
    """Of a running unit: the epochs that its history has; of what has none, nothing."""
    if not isinstance(unit, Encoding):
        return 0.0
    return min(1.0, len(runs.read_history(folder_of(root, unit))) / unit.plan.epochs)
