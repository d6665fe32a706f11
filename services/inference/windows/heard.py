"""Of whom frames came, and how far: what whoever watches for silence wants to know of a step.

A frame of which every sample is late (all its windows have closed) says nothing of its patient: after an index
leapt too far ahead, all that a device goes on to send is such. Sent again while a window is open, a frame counts.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.inference.windows.patients import Patients
from services.inference.windows.rules import Integers, end_us


@dataclass(frozen=True, eq=False, slots=True)
class Heard:
    """Patients, each once, side by side.

    ``sample_us``: the time just after the newest sample of the session. ``at_us``: the log's time of the newest
    entry that held a frame of it that was not late as a whole.
    """

    patient: list[bytes]
    session: npt.NDArray[np.uint64]
    sample_us: Integers
    at_us: Integers

    def __getitem__(self, part: slice) -> "Heard":
        """Some of them."""
        return Heard(self.patient[part], self.session[part], self.sample_us[part], self.at_us[part])


def heard(p: Patients, rows: Integers, at_us: Integers) -> Heard:
    """Of these rows frames came, the newest at ``at_us``."""
    sample_us = end_us(p.start_us[rows], p.high_water[rows], p.rate_mhz[rows])
    return Heard(p.name[rows].tolist(), p.session[rows], sample_us, at_us)


def known(p: Patients, rows: Integers) -> Heard:
    """Those of these rows who ever had a session; ``at_us`` is 0."""
    rows = rows[p.rate_mhz[rows] > 0]
    return heard(p, rows, np.zeros(len(rows), np.int64))
