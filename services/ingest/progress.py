"""The live line of a run: who streams, how fast, how late, how far behind the consumers are."""

import sys
import threading
import time
from typing import Self, TextIO

from services.ingest.runner import Lateness, Progress
from services.ingest.sender import Sender


def line(progress: Progress, sender: Sender, lately: Lateness, frames_per_s: float) -> str:
    """One line about now; ``lately`` is the lateness since the last one."""
    tally = sender.tally
    p99 = lately.quantile_s(0.99)
    parts = [
        f"{progress.patients:,} patients",
        f"{frames_per_s:,.0f} frames/s",
        f"late p99 {p99 * 1000:,.0f} ms" if p99 is not None else "late -",
        f"lag {tally.readings.lag_s:.1f} s" if tally.readings.lag_s is not None else "no consumer yet",
        f"waiting {sender.buffered_bytes / 1e6:.1f} MB",
        f"dropped {tally.frames_dropped:,}",
        f"Redis {tally.redis_memory_bytes / 1e6:,.0f} MB",
    ]
    if tally.held:
        parts.append(f"HOLDING BACK: {tally.held}")
    return " · ".join(parts)


class LiveLine:
    """Shows `line` once a second on a terminal, or every ten seconds in a log, until it is left."""

    def __init__(self, progress: Progress, sender: Sender, out: TextIO = sys.stderr) -> None:
        self._progress = progress
        self._sender = sender
        self._out = out
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest-progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        live = self._out.isatty()
        before, at = self._sender.tally.frames_confirmed, time.monotonic()
        late = self._progress.lateness.copy()
        while not self._stop.wait(1.0 if live else 10.0):
            confirmed, now = self._sender.tally.frames_confirmed, time.monotonic()
            lately = self._progress.lateness.since(late)
            text = line(self._progress, self._sender, lately, (confirmed - before) / (now - at))
            late = self._progress.lateness.copy()
            before, at = confirmed, now
            self._out.write(f"\r\x1b[K{text}" if live else f"{text}\n")
            self._out.flush()
        if live:
            self._out.write("\n")
