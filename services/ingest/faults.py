"""The network between device and ingest: frames lost, doubled, late, out of order, cut off for a while.

Pure and seeded: what happens to frame ``i`` of a feed depends on the seed, the feed and
``i`` alone, so a run can be repeated and a restarted source meets the same faults again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from services.ingest.parcel import Parcel

# Outages are drawn slot by slot of sample time, at most one a patient and slot.
OUTAGE_SLOT_S = 60.0

Numbers = npt.NDArray[np.float64]
Absences = Mapping[bytes, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances are per frame, times in seconds of sample time.

    ``loss``: never arrives. ``duplication``: arrives a second time, up to ``delay_s`` later.
    ``reorder``: arrives up to ``delay_s`` late, so that later frames overtake it.
    ``outages_per_hour`` of ``outage_s`` each on average, per patient: if ``buffered`` the device
    sends what it kept when the outage ends, else those frames are lost.
    """

    loss: float = 0.0
    duplication: float = 0.0
    reorder: float = 0.0
    delay_s: float = 1.0
    outages_per_hour: float = 0.0
    outage_s: float = 15.0
    buffered: bool = True

    @property
    def none(self) -> bool:
        """Whether the network is perfect."""
        return not (self.loss or self.duplication or self.reorder or self.outages_per_hour)


class Network:
    """Applies faults to parcels; ``seed`` and the number of the feed make its dice. Counts what it did.

    ``absences``: patients whose device sends nothing from one second of the session to another.
    """

    def __init__(self, faults: Faults, seed: int, absences: Absences = MappingProxyType({})) -> None:
        self.lost = self.doubled = self.delayed = 0
        self._faults = faults
        self._seed = seed
        self._outages: dict[int, tuple[int, Numbers, Numbers]] = {}
        self._absences = absences
        self._absent: dict[int, Numbers] = {}  # of each feed: from when to when, a column a patient

    def carry(self, parcel: Parcel, feed: int, index: int, taken_s: float) -> Iterator[tuple[float, Parcel]]:
        """(delay in seconds, parcel) for each group of frames that arrives together; what is missing is lost.

        ``taken_s``: sample time at which the frame was complete, counted from the session's start.
        """
        n = len(parcel)
        absent = self._is_absent(parcel, feed, taken_s)
        if self._faults.none:
            self.lost += int(absent.sum())
            if not absent.all():
                yield 0.0, parcel.pick(~absent) if absent.any() else parcel
            return
        dice = np.random.default_rng((self._seed, 1, feed, index))
        lost, again, late = dice.random((3, n)) < np.array(
            [[self._faults.loss], [self._faults.duplication], [self._faults.reorder]]
        )
        extra, extra_again = dice.uniform(0, self._faults.delay_s, (2, n))
        delay = np.where(late, extra, 0.0)
        cut_off = self._left_of_outage(feed, n, taken_s)
        if self._faults.buffered:
            delay = np.maximum(delay, cut_off)
        else:
            lost |= cut_off > 0
        lost |= absent
        again &= ~lost
        self.lost += int(lost.sum())
        self.doubled += int(again.sum())
        self.delayed += int((delay[~lost] > 0).sum())
        yield from _groups(parcel, delay, ~lost)
        yield from _groups(parcel, delay + extra_again, again)

    def _is_absent(self, parcel: Parcel, feed: int, taken_s: float) -> npt.NDArray[np.bool_]:
        """Whose device is off now."""
        if feed not in self._absent:
            never = (np.inf, np.inf)
            names = parcel.frames.headers["patient"].tolist() if self._absences else []
            spans = [self._absences.get(name, never) for name in names] or [never] * len(parcel)
            self._absent[feed] = np.array(spans, np.float64).T
        start, stop = self._absent[feed]
        return np.asarray((start <= taken_s) & (taken_s < stop))

    def _left_of_outage(self, feed: int, n: int, taken_s: float) -> Numbers:
        """Seconds until the outage ends that each patient is in now; 0 outside."""
        slot = int(taken_s // OUTAGE_SLOT_S)
        known = self._outages.get(feed)
        if known is None or known[0] != slot:
            dice = np.random.default_rng((self._seed, 2, feed, slot))
            struck = dice.random(n) < self._faults.outages_per_hour * OUTAGE_SLOT_S / 3600
            start = slot * OUTAGE_SLOT_S + dice.uniform(0, OUTAGE_SLOT_S, n)
            length = np.where(struck, dice.exponential(self._faults.outage_s, n), 0.0)
            end = np.minimum(start + length, (slot + 1) * OUTAGE_SLOT_S)
            known = self._outages[feed] = (slot, start, end)
        _, start, end = known
        return np.where((start <= taken_s) & (taken_s < end), end - taken_s, 0.0)


def _groups(parcel: Parcel, delay: Numbers, rows: npt.NDArray[np.bool_]) -> Iterator[tuple[float, Parcel]]:
    """The chosen rows by delay, rounded up to 20 ms so that those which arrive together share a parcel."""
    steps = np.ceil(delay / 0.02).astype(np.int64)
    for step in np.unique(steps[rows]):
        yield float(step * 0.02), parcel.pick(rows & (steps == step))
