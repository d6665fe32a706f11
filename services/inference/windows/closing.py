"""When windows close, and how: each patient's in order, decided after every frame.

A window closes complete, or when the patient's high-water mark has passed its end by the
lateness. What closes is copied out at once, for the next frame may take its place.
"""

import numpy as np

from services.inference.windows.cut import Closed
from services.inference.windows.ring import Ring
from services.inference.windows.rules import Geometry, Integers
from services.inference.windows.ward import Ward


def close_due(ward: Ward, ring: Ring, rows: Integers, entry: Integers) -> None:
    """Close what is due of ``rows`` (distinct, in this ring) after frames of ``entry``."""
    p, geometry = ward.patients, ring.geometry
    ahead = p.high_water[rows] - p.next_sample[rows]
    due = np.flatnonzero(ahead >= geometry.samples)
    while due.size:
        r = rows[due]
        millivolts = ring.windows(p.slot[r], p.next_sample[r] - p.origin[r])
        missing = np.zeros(len(r), np.int64)
        gapped = np.flatnonzero(p.hole_end[r] > p.next_sample[r])
        if gapped.size:
            missing[gapped] = np.isnan(millivolts[gapped]).sum(axis=1)
            closes = (missing == 0) | (ahead[due] >= geometry.samples + geometry.lateness)
            if not closes.all():
                due, r, millivolts, missing = due[closes], r[closes], millivolts[closes], missing[closes]
                if not due.size:
                    return
        ward.closing.add(p, Closed(geometry, r, missing, entry[due], millivolts))
        _move_on(ward, geometry, r, p.next_window[r] + 1)
        ahead[due] = p.high_water[r] - p.next_sample[r]
        due = due[ahead[due] >= geometry.samples]


def close_passed(ward: Ward, row: int, entry: int, sample: int) -> None:
    """The high-water mark leaps to ``sample`` with nothing before it: close all that it passed.

    Costs the few windows that hold samples, whatever the distance: the empty ones after them are one count.
    """
    geometry = ward.geometry(row)
    reach = sample - geometry.samples - geometry.lateness
    passed = geometry.begun(reach + 1)  # windows that start at `reach` at the latest
    _close_begun(ward, geometry, row, entry, passed)
    p, rows = ward.patients, np.array([row])
    empty = passed - int(p.next_window[row])
    if empty > 0:
        missing = np.array([geometry.samples])
        ward.closing.add(p, Closed(geometry, rows, missing, np.array([entry]), windows=empty))
        _move_on(ward, geometry, rows, np.array([passed]))
    p.high_water[row] = max(p.high_water[row], p.next_sample[row])
    if p.opened[row] < p.next_window[row]:
        p.opened[row] = p.next_window[row]
        p.next_open[row] = geometry.start(int(p.opened[row]))


def close_session(ward: Ward, row: int, entry: int) -> None:
    """A later session begins: close every window that holds samples, as it is."""
    _close_begun(ward, ward.geometry(row), row, entry, int(ward.patients.opened[row]))


def _close_begun(ward: Ward, geometry: Geometry, row: int, entry: int, before: int) -> None:
    """Close the begun windows of one patient up to number ``before``; samples that never came are missing."""
    p, rows = ward.patients, np.array([row])
    first, live = int(p.next_sample[row]), ward.live(row)
    for window in range(int(p.next_window[row]), min(before, int(p.opened[row]))):
        offset = geometry.start(window) - first
        millivolts = np.full((1, geometry.samples), np.nan, np.float32)
        part = live[offset : offset + geometry.samples]
        millivolts[0, : len(part)] = part
        missing = np.isnan(millivolts).sum(axis=1)
        ward.closing.add(p, Closed(geometry, rows, missing, np.array([entry]), millivolts))
        _move_on(ward, geometry, rows, np.array([window + 1]))


def _move_on(ward: Ward, geometry: Geometry, rows: Integers, window: Integers) -> None:
    """``window`` is now the next of each row."""
    p = ward.patients
    p.next_window[rows] = window
    p.next_sample[rows] = geometry.starts(window)
    p.repin(rows)
    ward.dirty.append(rows)
    parked_end = p.parked_end[rows]
    if parked_end.any():
        for row in rows[(parked_end > 0) & (parked_end <= p.next_sample[rows])].tolist():
            ward.unpark(row)
