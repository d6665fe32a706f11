"""The patients of some shards, the rings that hold their open windows, and what commits must store."""

import numpy as np

from services.inference.windows.cut import Closing
from services.inference.windows.log import NONE
from services.inference.windows.parked import Parked
from services.inference.windows.patients import Patients
from services.inference.windows.ring import Millivolts, Ring
from services.inference.windows.rules import Geometry, Integers, Rules


class Ward:
    """Rows in `Patients`, samples in one `Ring` a rate, parked samples as bytes.

    One for all shards of a replica: of few patients each array operation costs more than its work. ``dirty``
    collects since the last step whose mark changed, ``parking`` by seat whose parked bytes did (None: they are
    gone).
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.patients = Patients(rules.cells)
        self.rings: dict[int, Ring] = {}
        self.closing = Closing()
        self.parked: dict[int, bytes] = {}
        self.dirty: list[Integers] = []
        self.parking: dict[int, dict[bytes, bytes | None]] = {}

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, the rings and the parked samples."""
        rings = sum(ring.nbytes for ring in self.rings.values())
        return self.patients.nbytes + rings + sum(map(len, self.parked.values()))

    def ring(self, rate_mhz: int) -> Ring:
        """The ring of a rate; made when the first patient needs it."""
        ring = self.rings.get(rate_mhz)
        if ring is None:
            ring = self.rings[rate_mhz] = Ring(Geometry.at(rate_mhz, self.rules))
        return ring

    def geometry(self, row: int) -> Geometry:
        """The geometry of a row's session."""
        rate = int(self.patients.rate_mhz[row])
        ring = self.rings.get(rate)
        return Geometry.at(rate, self.rules) if ring is None else ring.geometry

    def live(self, row: int) -> Millivolts:
        """A copy of the samples that open windows hold: from ``next_sample`` to ``high_water``."""
        p = self.patients
        slot, start, end = int(p.slot[row]), int(p.next_sample[row]), int(p.high_water[row])
        if slot >= 0:
            origin = int(p.origin[row])
            return self.rings[int(p.rate_mhz[row])].cells[slot, start - origin : end - origin].copy()
        if row not in self.parked:
            return np.empty(0, np.float32)
        parked = Parked.unpack(self.parked[row])
        return parked.samples[start - parked.first :]

    def revive(self, row: int, entry: int) -> None:
        """Give a patient a slot, with what was parked; from ``entry`` on its log must be read again."""
        p = self.patients
        samples = self.live(row)
        ring = self.ring(int(p.rate_mhz[row]))
        slot = ring.take(row)
        p.slot[row] = slot
        p.origin[row] = p.next_sample[row]
        ring.cells[slot, : len(samples)] = samples
        p.hole_end[row] = p.high_water[row] if np.isnan(samples).any() else 0
        open_windows = np.arange(p.next_window[row], p.opened[row])
        p.pins[row, open_windows % p.cells] = entry
        p.repin(np.array([row]))

    def release(self, row: int) -> None:
        """Take a patient's slot away; what it held is lost unless it was parked."""
        p = self.patients
        if p.slot[row] >= 0:
            rate, slot = int(p.rate_mhz[row]), int(p.slot[row])
            moved = self.rings[rate].give(slot)
            if moved >= 0:
                p.slot[moved] = slot
            if self.rings[rate].used == 0:
                del self.rings[rate]
            p.slot[row] = -1
        p.oldest[row] = p.touched[row] = p.heard[row] = NONE

    def unpark(self, row: int) -> None:
        """The committed state need not hold a patient's parked samples any longer."""
        if self.patients.parked_end[row]:
            self.patients.parked_end[row] = 0
            del self.parked[row]
            self._parks(row, None)

    def park(self, before: Integers) -> None:
        """Park who needs, or last sent, an entry older than the seat's ``before``: samples to bytes, slot to ring.

        A patient whose windows hold no sample only gives its slot back.
        """
        p = self.patients
        for row in np.flatnonzero(np.minimum(p.oldest, p.touched) < before[p.seat]).tolist():
            samples = self.live(row)
            self.release(row)
            if len(samples):
                parked = Parked(int(p.session[row]), int(p.next_sample[row]), samples, float(p.scale[row]))
                self.parked[row] = packed = parked.pack()
                self._parks(row, packed)
                p.parked_end[row] = parked.end

    def drop(self, row: int) -> None:
        """Forget what a patient's windows hold; the committed state is the caller's."""
        self.release(row)
        self.parked.pop(row, None)
        self.patients.parked_end[row] = 0

    def _parks(self, row: int, packed: bytes | None) -> None:
        self.parking.setdefault(int(self.patients.seat[row]), {})[bytes(self.patients.name[row])] = packed
