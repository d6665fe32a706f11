"""Shards' frames in, windows out: the whole of windowing behind one method.

`Cutter` knows no clock but the entry ids and no store: what a commit must keep comes out of
each step, and a cutter built from that, fed again from ``rewind`` on, gives the very windows that
were still to come. Cutters that share a `Ward` take a step together (`cut_together`), at little more than the
cost of one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.inference.windows.account import Account
from services.inference.windows.batch import Run, merged
from services.inference.windows.cut import Cut
from services.inference.windows.feeding import feed
from services.inference.windows.heard import Heard, heard, known
from services.inference.windows.log import NONE, Ids, Log, successor, text
from services.inference.windows.names import Names
from services.inference.windows.parked import Parked, ParkedError
from services.inference.windows.rules import Integers, Rules
from services.inference.windows.ward import Ward
from shared.frames import Frames, Headers
from shared.position import PatientMark, ShardPosition, pack_marks, parse_id

Entries = Iterable[tuple[str, Sequence[Frames]]]


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """What some entries of a shard led to; values, so it may be committed while later entries are placed.

    ``cut``: the windows of all shards that took the step together, ``rows`` which of them are this one's.
    ``marks``: packed `PatientMark` of every patient of whom windows closed or a session began.
    ``parked``: packed partial samples of who was parked, None where they must be removed.
    ``facts``: what to count (entries at or below the committed offset count nothing).
    ``refused``: headers of refused frames by reason. ``heard``: of whom frames came that were not late as a whole,
    entries that are read again included. ``offset``, ``rewind``: as in `ShardPosition`.
    """

    cut: Cut
    rows: Integers
    marks: Mapping[bytes, bytes]
    parked: Mapping[bytes, bytes | None]
    facts: Mapping[str, int]
    refused: tuple[tuple[str, Headers], ...]
    heard: Heard
    offset: str
    rewind: str


class Cutter:
    """Cuts the windows of one shard. Not thread-safe.

    ``position`` and ``patients`` (name, packed mark, packed parked samples or None) are what was
    committed; feed it entries from ``position.rewind`` on. Refuses marks and parked bytes of another
    program (`PositionError`, `ParkedError`). ``ward``: where its patients lie beside those of other shards, under
    the same rules; without one it has its own. Memory: about 14 s of float32 samples for each patient
    that sends, nothing but a row for one that fell silent.
    """

    def __init__(
        self,
        rules: Rules,
        position: ShardPosition | None = None,
        patients: Iterable[tuple[bytes, bytes, bytes | None]] = (),
        ward: Ward | None = None,
    ) -> None:
        position = position or ShardPosition()
        self.committed = parse_id(position.offset)
        self.rewind = parse_id(position.rewind)
        self.log = Log(self.committed)
        self.ward = Ward(rules) if ward is None else ward
        self.names = Names(self.ward.patients, rules.max_patients)
        self.renumbered: dict[bytes, tuple[int, int]] = {}
        """Of whom windows count otherwise than those committed, the stride being another: session, next window."""
        try:
            for name, mark, parked in patients:
                self._load(name, PatientMark.unpack(mark), parked)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """Patients known."""
        return len(self.names)

    def known(self) -> Heard:
        """Everybody who ever had a session."""
        return known(self.ward.patients, self.names.rows())

    @property
    def nbytes(self) -> int:
        """Memory of the ward."""
        return self.ward.nbytes

    def step(self, entries: Entries) -> Step:
        """Place the frames of ``entries`` (id, decoded runs) in their order and give all that follows from them.

        Costs some 200 µs, and about 1 µs a frame and 2 µs a window more.
        """
        (step,) = cut_together([(self, entries)])
        return step

    def forget(self, names: Iterable[bytes]) -> None:
        """Drop all state of discharged patients, their open windows too; unknown names are ignored.

        The caller removes their marks and parked samples from the committed state.
        """
        parking = self.ward.parking.get(self.names.seat, {})
        for name in names:
            row = self.names.get(name)
            if row is not None:
                self.ward.drop(row)
                self.names.forget(name)
                parking.pop(name, None)

    def close(self) -> None:
        """Give the ward back all that this shard has in it; the cutter is of no use any more."""
        for row in self.names.rows().tolist():
            self.ward.drop(row)
        self.ward.parking.pop(self.names.seat, None)
        self.names.leave()

    def _load(self, name: bytes, mark: PatientMark, raw: bytes | None) -> None:
        """A patient as committed: not in memory until a frame comes."""
        p = self.ward.patients
        row = self.names.enter(name)
        p.begin(row, mark.session, mark.session_start_us, mark.rate_mhz)
        geometry = self.ward.geometry(row)
        window = mark.next_window
        if geometry.start(window) != mark.next_sample:  # the stride has been changed since
            window = geometry.begun(mark.next_sample)
            self.renumbered[name] = mark.session, window
        p.next_window[row] = p.opened[row] = window
        p.next_sample[row] = p.high_water[row] = p.next_open[row] = geometry.start(window)
        if raw is None:
            return
        parked = Parked.unpack(raw)
        if parked.session != mark.session:
            raise ParkedError("parked samples and mark of a patient are of different sessions")
        self.ward.parked[row] = raw
        p.parked_end[row] = parked.end
        p.high_water[row] = high = max(parked.end, int(p.next_sample[row]))  # a changed stride may skip some
        p.scale[row] = parked.scale
        p.opened[row] = geometry.begun(high)
        p.next_open[row] = geometry.start(int(p.opened[row]))


def cut_together(came: Sequence[tuple[Cutter, Entries]]) -> list[Step]:
    """`Cutter.step` of several shards with one ward (`ValueError` otherwise), each at most once.

    Gives what each would have given alone, but that shards' windows lie side by side in one cut.
    """
    if not came:
        return []
    ward = came[0][0].ward
    if any(cutter.ward is not ward for cutter, _ in came):
        raise ValueError("shards that take a step together have one ward")
    again: list[Run] = []
    fresh: list[Run] = []
    firsts = []
    for cutter, entries in came:
        firsts.append(cutter.log.next)
        for entry_id, runs in entries:
            entry = parse_id(entry_id)
            number = cutter.log.number(entry)
            part = fresh if entry > cutter.committed else again
            part.extend(Run(run, cutter.names, number, entry) for run in runs)
    seats = ward.patients.seats
    for batch in merged(again):
        feed(ward, batch, False, Account(seats))  # nothing about it counts a second time
    account = Account(seats)
    for batch in merged(fresh):
        feed(ward, batch, True, account)
    cutters = [cutter for cutter, _ in came]
    ids = Ids.of(
        seats, ((c.names.seat, first, c.log.tail(first)) for c, first in zip(cutters, firsts, strict=True))
    )
    return _finish(ward, cutters, ids, account)


def _finish(ward: Ward, cutters: Sequence[Cutter], ids: Ids, account: Account) -> list[Step]:
    """What the step has led to, shard by shard."""
    p = ward.patients
    cut, seats = ward.closing.finish(p, ids)
    account.closed(cut, seats)
    rows = np.flatnonzero((p.heard >= ids.first[p.seat]) & (p.heard < NONE))
    rows, heard_of = _by_seat(rows, p.seat[rows], p.seats)
    came = heard(p, rows, ids.milliseconds[ids.places(p.seat[rows], p.heard[rows])] * 1000)
    _park(ward, cutters)
    oldest, touched = np.full((2, p.seats), NONE)
    np.minimum.at(oldest, p.seat, p.oldest)
    np.minimum.at(touched, p.seat, p.touched)
    marked = np.unique(np.concatenate(ward.dirty)) if ward.dirty else np.zeros(0, np.int64)
    ward.dirty.clear()
    marked, marks_of = _by_seat(marked, p.seat[marked], p.seats)
    names, marks = p.name[marked].tolist(), _marks(ward, marked)
    windows, windows_of = _by_seat(np.arange(len(seats)), seats, p.seats)
    steps = []
    for cutter in cutters:
        seat, log = cutter.names.seat, cutter.log
        if len(log):
            needed = int(oldest[seat])
            cutter.rewind = log.id(needed) if needed < NONE else successor(log.last)
            log.forget(min(needed, int(touched[seat])))
        own = slice(marks_of[seat], marks_of[seat + 1])
        steps.append(
            Step(
                cut=cut,
                rows=windows[windows_of[seat] : windows_of[seat + 1]],
                marks=dict(zip(names[own], marks[own], strict=True)),
                parked=ward.parking.pop(seat, {}),
                facts=account.facts(seat),
                refused=account.refused(seat),
                heard=came[heard_of[seat] : heard_of[seat + 1]],
                offset=text(max(cutter.committed, log.last)),
                rewind=text(cutter.rewind),
            )
        )
    return steps


def _by_seat(rows: Integers, seats: Integers, most: int) -> tuple[Integers, list[int]]:
    """Rows in the order of their seats, else as they were; and where each seat's begin, one more than seats."""
    order = np.argsort(seats, kind="stable")
    return rows[order], np.searchsorted(seats[order], np.arange(most + 1)).tolist()


def _park(ward: Ward, cutters: Sequence[Cutter]) -> None:
    """Park whose log has gone on for too long."""
    before = np.zeros(ward.patients.seats, np.int64)
    for cutter in cutters:
        if len(cutter.log):
            before[cutter.names.seat] = cutter.log.since(cutter.log.last[0] - ward.rules.park_after_ms)
    ward.park(before)


def _marks(ward: Ward, rows: Integers) -> list[bytes]:
    p = ward.patients
    return pack_marks(
        session=p.session[rows],
        session_start_us=p.start_us[rows],
        rate_mhz=p.rate_mhz[rows],
        next_window=p.next_window[rows],
        next_sample=p.next_sample[rows],
        high_water=p.high_water[rows],
    )
