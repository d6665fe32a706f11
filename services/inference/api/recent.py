"""A whole ward, read at most a tenth of the time: however many screens ask, Redis has better things to do.

What was read is used again for as long as ten readings take: some milliseconds in a small ward, a second or two in
one of tens of thousands. Who asks meanwhile waits for the reading under way and shares it.
"""

import threading
import time
from collections.abc import Callable

from services.inference.api.ward import Ward

SHARE = 10
MOST_S = 2.0


class RecentWard:
    """Threads share it. ``read`` gives the ward and may raise; then nothing is kept."""

    def __init__(self, read: Callable[[], Ward], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._lock = threading.Lock()
        self._kept: Ward | None = None
        self._begun = self._until = 0.0

    def now(self) -> Ward:
        """The ward, as it was read a moment ago or is read now."""
        return self.aged()[0]

    def aged(self) -> tuple[Ward, float]:
        """The same, and how many seconds ago reading it began: what was committed since may be missing."""
        with self._lock:
            if self._kept is None or self._clock() >= self._until:
                begun = self._clock()
                self._kept = None
                found = self._read()
                took = self._clock() - begun
                self._kept, self._begun, self._until = found, begun, begun + min(MOST_S, SHARE * took)
            return self._kept, self._clock() - self._begun

    def forget(self) -> None:
        """Something was changed through this process: whoever asks next sees it."""
        with self._lock:
            self._kept = None
