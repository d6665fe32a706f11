"""Samples into rings by index: what is there already stays, what came too late is dropped.

A frame is placed in pieces of at most two seconds. That gives the same windows as sample by
sample: a window that closes at a sample ends at or before it, so the rest of the frame, which lies
after it, has nothing for that window.
"""

from dataclasses import dataclass

import numpy as np

from services.inference.windows.closing import close_due, close_passed
from services.inference.windows.ring import Millivolts, Ring
from services.inference.windows.rules import Integers
from services.inference.windows.ward import Ward


@dataclass(frozen=True, eq=False, slots=True)
class Pieces:
    """A piece of a frame for each of ``rows``, which are distinct.

    ``count`` of the columns of ``millivolts`` (k × at most a piece) are samples, from index ``first`` on;
    the others are padding. ``entry`` numbers the entry that brought them.
    """

    rows: Integers
    first: Integers
    count: Integers
    millivolts: Millivolts
    entry: Integers

    @property
    def end(self) -> Integers:
        """One past the last sample."""
        return self.first + self.count

    @property
    def room(self) -> Integers:
        """One past the last column, padding included."""
        room: Integers = self.first + self.millivolts.shape[1]
        return room

    def some(self, which: Integers) -> "Pieces":
        """A selection."""
        return Pieces(
            self.rows[which], self.first[which], self.count[which], self.millivolts[which], self.entry[which]
        )


@dataclass(frozen=True, eq=False, slots=True)
class Tally:
    """Samples of each piece by what became of them. ``late``: every window they belong to has closed."""

    placed: Integers
    late: Integers
    duplicate: Integers


def place(ward: Ward, ring: Ring, pieces: Pieces) -> Tally:
    """Place pieces of patients who all are in ``ring``, then close what is due."""
    p, rows, entry = ward.patients, pieces.rows, pieces.entry
    leaps = pieces.room > p.next_sample[rows] + ring.geometry.buffer
    for i in np.flatnonzero(leaps).tolist():
        close_passed(ward, int(rows[i]), int(entry[i]), int(pieces.first[i]))
    high = p.high_water[rows]
    appends = pieces.first >= high
    late = duplicate = np.zeros(len(rows), np.int64)
    if appends.all():
        _append(ward, ring, pieces)
    else:
        start = p.next_sample[rows]
        late = np.clip(start - pieces.first, 0, pieces.count)
        duplicate = np.clip(np.minimum(pieces.end, high) - np.maximum(pieces.first, start), 0, None)
        overlaid = np.flatnonzero(~appends)
        duplicate[overlaid] -= _overlay(ward, ring, pieces.some(overlaid))
        _append(ward, ring, pieces.some(np.flatnonzero(appends)))
    p.high_water[rows] = np.maximum(high, pieces.end)
    p.touched[rows] = entry
    useful = late < pieces.count
    p.heard[rows] = entry if useful.all() else np.where(useful, entry, p.heard[rows])
    _open(ward, ring, pieces)
    close_due(ward, ring, rows, entry)
    return Tally(pieces.count - late - duplicate, late, duplicate)


def _append(ward: Ward, ring: Ring, pieces: Pieces) -> None:
    """Pieces that begin at or after the high-water mark; what they skip is missing."""
    p, rows, first = ward.patients, pieces.rows, pieces.first
    _make_room(ward, ring, rows, pieces.room)
    high = p.high_water[rows]
    for i in np.flatnonzero(first > high).tolist():
        row = rows[i]
        origin = p.origin[row]
        ring.cells[p.slot[row], high[i] - origin : first[i] - origin] = np.nan
        p.hole_end[row] = first[i]
    ring.write(p.slot[rows], first - p.origin[rows], pieces.millivolts)


def _overlay(ward: Ward, ring: Ring, pieces: Pieces) -> Integers:
    """Pieces that begin before the high-water mark: fill holes, append the rest. Gives the holes each filled."""
    p, rows = ward.patients, pieces.rows
    begin = np.maximum(pieces.first, p.next_sample[rows])
    end, high = pieces.end, p.high_water[rows]
    # A frame sent again has nothing new for a patient without holes; only what is left goes one by one.
    useful = (end > begin) & ((end > high) | (p.hole_end[rows] > begin))
    _make_room(ward, ring, rows[useful], end[useful])
    filled = np.zeros(len(rows), np.int64)
    for i in np.flatnonzero(useful).tolist():
        row, first = rows[i], pieces.first[i]
        cells, origin = ring.cells[p.slot[row]], p.origin[row]
        split = min(end[i], high[i])
        inside = cells[begin[i] - origin : split - origin]
        holes = np.isnan(inside)
        filled[i] = holes.sum()
        inside[holes] = pieces.millivolts[i, begin[i] - first : split - first][holes]
        cells[split - origin : end[i] - origin] = pieces.millivolts[i, split - first : end[i] - first]
    return filled


def _make_room(ward: Ward, ring: Ring, rows: Integers, end: Integers) -> None:
    """Where samples up to ``end`` would not fit, what open windows hold moves to the front."""
    p = ward.patients
    full = rows[end - p.origin[rows] > ring.geometry.buffer]
    if full.size:
        start = p.next_sample[full]
        ring.to_front(p.slot[full], start - p.origin[full], int((p.high_water[full] - start).max()))
        p.origin[full] = start


def _open(ward: Ward, ring: Ring, pieces: Pieces) -> None:
    """Windows that begin before the new high-water mark open: this entry is the first that they need."""
    p, rows = ward.patients, pieces.rows
    high = p.high_water[rows]
    opening = np.flatnonzero(high > p.next_open[rows])
    if not opening.size:
        return
    opened = rows[opening]
    while opening.size:
        r = rows[opening]
        window = p.opened[r]
        p.pins[r, window % p.cells] = pieces.entry[opening]
        p.opened[r] = window + 1
        p.next_open[r] = begin = ring.geometry.starts(window + 1)
        opening = opening[high[opening] > begin]
    p.repin(opened)
