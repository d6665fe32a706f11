"""Of whom frames came, and how far: what whoever watches for silence wants to know of a step."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.inference.windows.log import NONE, Log
from services.inference.windows.patients import Patients
from services.inference.windows.rules import Integers, end_us


@dataclass(frozen=True, eq=False, slots=True)
class Heard:
    """Patients, each once, side by side.

    ``sample_us``: the time just after the newest sample of the session. ``at_us``: the log's time of the newest
    entry that held a frame of it.
    """

    patient: list[bytes]
    session: npt.NDArray[np.uint64]
    sample_us: Integers
    at_us: Integers


def heard(p: Patients, log: Log, first: int) -> Heard:
    """Of whom a frame was placed by entry number ``first`` or a later one."""
    rows = np.flatnonzero((p.touched >= first) & (p.touched < NONE))
    at_us = np.array([log.id(number)[0] * 1000 for number in range(first, log.next)], np.int64)
    return _of(p, rows, at_us[p.touched[rows] - first])


def known(p: Patients) -> Heard:
    """Everybody who ever had a session; ``at_us`` is 0."""
    rows = np.sort(np.array(list(p.rows.values()), np.int64))
    rows = rows[p.rate_mhz[rows] > 0]
    return _of(p, rows, np.zeros(len(rows), np.int64))


def _of(p: Patients, rows: Integers, at_us: Integers) -> Heard:
    sample_us = end_us(p.start_us[rows], p.high_water[rows], p.rate_mhz[rows])
    return Heard(p.name[rows].tolist(), p.session[rows], sample_us, at_us)
