"""How fast one patient's samples may come: a leaky bucket a patient, kept as one time each (GCRA).

The limit is this process'; a device that spreads over n gateways may send n times as much.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Catching up after an outage comes in a burst: this much of the allowed rate may come at once.
BURST_S = 60.0


@dataclass(slots=True)
class _Used:
    free_at: float
    seen_at: float


class Allowance:
    """At most ``samples_per_s`` of each patient over time, `BURST_S` of it at once."""

    def __init__(self, samples_per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._samples_per_s = samples_per_s
        self._clock = clock
        self._used: OrderedDict[bytes, _Used] = OrderedDict()

    def take(self, samples: Mapping[bytes, int]) -> float:
        """Take all of these samples and give 0, or none of them and give the seconds until all would be taken."""
        now = self._clock()
        self._forget(now)
        wait = max((self._wait(patient, count, now) for patient, count in samples.items()), default=0.0)
        if wait > 0:
            return wait
        for patient, count in samples.items():
            used = self._used.setdefault(patient, _Used(now, now))
            used.free_at = max(used.free_at, now) + count / self._samples_per_s
            used.seen_at = now
            self._used.move_to_end(patient)
        return 0.0

    def give_back(self, samples: Mapping[bytes, int]) -> None:
        """Undo a `take` whose frames were not accepted after all."""
        for patient, count in samples.items():
            if patient in self._used:
                self._used[patient].free_at -= count / self._samples_per_s

    @property
    def patients(self) -> int:
        """Patients heard of in the last minute."""
        self._forget(self._clock())
        return len(self._used)

    def _wait(self, patient: bytes, count: int, now: float) -> float:
        used = self._used.get(patient)
        before = 0.0 if used is None else max(0.0, used.free_at - now)
        # What is larger than a whole burst must be possible at some time: when nothing is in use.
        return before + min(count / self._samples_per_s, BURST_S) - BURST_S

    def _forget(self, now: float) -> None:
        """Let go of who has been silent for a burst's length and so has a whole burst again."""
        while self._used:
            patient, used = next(iter(self._used.items()))
            if used.seen_at > now - BURST_S or used.free_at > now:
                return
            del self._used[patient]
