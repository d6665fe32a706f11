"""How far a run is, in one line for people."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from training.progress import duration


@dataclass(frozen=True)
class Progress:
    """A moment of a run. ``epoch`` counts from 1; ``done`` marks the end of one."""

    what: str
    epoch: int
    epochs: int
    share: float
    loss: float
    records_per_s: float
    left_s: float
    done: bool = False
    scores: str = ""
    record: Mapping[str, Any] | None = None  # of the epoch that is done

    def line(self) -> str:
        """``epoch 3/30  40 %  loss 0.1432  712 records/s  6 min 10 s left``."""
        parts = [f"{self.what} {self.epoch}/{self.epochs}"]
        if not self.done:
            parts.append(f"{self.share:4.0%}")
        parts += [
            f"loss {self.loss:.4f}",
            self.scores,
            f"{self.records_per_s:,.0f} records/s",
            f"{duration(self.left_s)} left",
        ]
        return "  ".join(part for part in parts if part)


class Lines:
    """Shows progress on a stream: a line that renews itself on a terminal, else one line an epoch."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.live = self.stream.isatty()

    def __call__(self, progress: Progress) -> None:
        """Show it."""
        if self.live:
            self.stream.write(f"\r\x1b[K{progress.line()}" + ("\n" if progress.done else ""))
        elif progress.done:
            self.stream.write(progress.line() + "\n")
        self.stream.flush()
