"""One shard's frames in, windows out: the whole of windowing behind one method.

`Cutter` knows no clock but the entry ids and no store: what a commit must keep comes out of
each step, and a cutter built from that, fed again from ``rewind`` on, gives the very windows that
were still to come.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.inference.windows.batch import Batch, Run, merged
from services.inference.windows.cut import Cut
from services.inference.windows.heard import Heard, heard, known
from services.inference.windows.log import Log, successor, text
from services.inference.windows.parked import Parked, ParkedError
from services.inference.windows.placing import Pieces, place
from services.inference.windows.rules import Integers, Rules
from services.inference.windows.sessions import settle
from services.inference.windows.ward import Ward
from shared.frames import Frames, Headers
from shared.position import PatientMark, ShardPosition, pack_marks, parse_id

Entries = Iterable[tuple[str, Sequence[Frames]]]


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """What some entries led to; values, so it may be committed while later entries are placed.

    ``marks``: packed `PatientMark` of every patient of whom windows closed or a session began.
    ``parked``: packed partial samples of who was parked, None where they must be removed.
    ``facts``: what to count (entries at or below the committed offset count nothing).
    ``refused``: headers of refused frames by reason. ``heard``: of whom frames were placed, entries that are read
    again included. ``offset``, ``rewind``: as in `ShardPosition`.
    """

    cut: Cut
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
    program (`PositionError`, `ParkedError`). Memory: about 14 s of float32 samples for each patient
    that sends, nothing but a row for one that fell silent.
    """

    def __init__(
        self,
        rules: Rules,
        position: ShardPosition | None = None,
        patients: Iterable[tuple[bytes, bytes, bytes | None]] = (),
    ) -> None:
        position = position or ShardPosition()
        self._committed = parse_id(position.offset)
        self._rewind = parse_id(position.rewind)
        self._log = Log(self._committed)
        self._ward = Ward(rules)
        self.renumbered: dict[bytes, tuple[int, int]] = {}
        """Of whom windows count otherwise than those committed, the stride being another: session, next window."""
        for name, mark, parked in patients:
            self._load(name, PatientMark.unpack(mark), parked)

    def __len__(self) -> int:
        """Patients known."""
        return len(self._ward.patients)

    def known(self) -> Heard:
        """Everybody who ever had a session."""
        return known(self._ward.patients)

    @property
    def nbytes(self) -> int:
        """Memory of the state."""
        return self._ward.nbytes

    def step(self, entries: Entries) -> Step:
        """Place the frames of ``entries`` (id, decoded runs) in their order and give all that follows from them.

        Costs 100 to 200 µs, and about 1 µs a frame and 2 µs a window more.
        """
        facts: Counter[str] = Counter()
        refused: list[tuple[str, Headers]] = []
        again: list[Run] = []
        fresh: list[Run] = []
        first = self._log.next
        for entry_id, runs in entries:
            entry = parse_id(entry_id)
            number = self._log.number(entry)
            (fresh if entry > self._committed else again).extend(Run(run, number, entry) for run in runs)
        for batch in merged(again):
            self._feed(batch, False, Counter(), [])
        for batch in merged(fresh):
            self._feed(batch, True, facts, refused)
        return self._finish(first, facts, refused)

    def forget(self, names: Iterable[bytes]) -> None:
        """Drop all state of discharged patients, their open windows too; unknown names are ignored.

        The caller removes their marks and parked samples from the committed state.
        """
        for name in names:
            row = self._ward.patients.rows.get(name)
            if row is not None:
                self._ward.release(row)
                self._ward.unpark(row)
                self._ward.patients.forget(row)
                self._ward.parking.pop(name, None)

    def _feed(self, batch: Batch, fresh: bool, facts: Counter[str], refused: list[tuple[str, Headers]]) -> None:
        def refuse(reason: str, frames: Integers) -> None:
            facts[f"frames_{reason}"] += len(frames)
            refused.append((reason, batch.header(frames)))

        facts["frames"] += len(batch)
        taken = np.ones(len(batch), bool)
        for reason, wrong in batch.wrong(self._ward.rules):
            frames = np.flatnonzero(wrong & taken)
            if frames.size:
                refuse(reason, frames)
                taken[frames] = False
        rows = self._ward.patients.find(batch.patient)
        strangers = np.flatnonzero(taken & (rows < 0))
        if strangers.size:
            self._admit(batch, strangers if fresh else strangers[:0], rows)
            left = strangers[rows[strangers] < 0]
            if left.size:
                refuse("no_room", left)
                taken[left] = False
        for wave in self._waves(rows, np.flatnonzero(taken)):
            for reason, frames in self._place(batch, wave, rows[wave], fresh, facts):
                refuse(reason, frames)

    def _admit(self, batch: Batch, frames: Integers, rows: Integers) -> None:
        """Rows for unknown patients, in log order, while there is room."""
        patients = self._ward.patients
        for i in frames.tolist():
            name = batch.patient[i]
            row = patients.rows.get(name)
            if row is None:
                row = patients.admit(name)
            rows[i] = -1 if row is None else row

    def _waves(self, rows: Integers, frames: Integers) -> Iterable[Integers]:
        """``frames`` divided so that each patient has one frame a wave, in log order."""
        order = self._ward.patients.order
        while frames.size:
            r = rows[frames]
            places = np.arange(len(frames))
            order[r[::-1]] = places[::-1]  # of several frames of a row the first is written last
            first = order[r] == places
            yield frames[first]
            frames = frames[~first]

    def _place(
        self, batch: Batch, frames: Integers, rows: Integers, fresh: bool, facts: Counter[str]
    ) -> Iterable[tuple[str, Integers]]:
        """Place one frame for each of ``rows`` (distinct); gives the refused ones."""
        p = self._ward.patients
        ready = (
            (p.start_us[rows] == batch.start_us[frames])
            & (p.session[rows] == batch.session[frames])
            & (p.rate_mhz[rows] == batch.rate_mhz[frames])
            & (p.slot[rows] >= 0)
        )
        if not ready.all():
            refused: dict[str, list[int]] = {}
            for i in np.flatnonzero(~ready).tolist():
                reason = settle(self._ward, batch, int(frames[i]), int(rows[i]), fresh)
                if reason is None:
                    ready[i] = True
                else:
                    refused.setdefault(reason, []).append(int(frames[i]))
            frames, rows = frames[ready], rows[ready]
            for reason, which in refused.items():
                yield reason, np.array(which)
        rates = batch.rate_mhz[frames]
        if (rates == rates[:1]).all():
            groups = [frames] if len(frames) else []
        else:
            groups = [frames[rates == rate] for rate in np.unique(rates)]
        for group in groups:
            self._place_rate(
                batch, group, rows if len(groups) == 1 else rows[rates == batch.rate_mhz[group[0]]], facts
            )

    def _place_rate(self, batch: Batch, frames: Integers, rows: Integers, facts: Counter[str]) -> None:
        """Frames of one rate, piece by piece."""
        p = self._ward.patients
        p.scale[rows] = batch.scale[frames]
        ring = self._ward.ring(int(batch.rate_mhz[frames[0]]))
        piece = ring.geometry.piece
        first, count, entry = batch.first[frames], batch.count[frames], batch.entry[frames]
        longest = int(count.max())
        for begin in range(0, longest, piece):
            end = min(begin + piece, longest)
            reaches = count > begin
            if not reaches.all():
                frames, rows, first, count, entry = (a[reaches] for a in (frames, rows, first, count, entry))
            here = np.minimum(count - begin, end - begin)
            millivolts = batch.millivolts(frames, begin, end)
            tally = place(self._ward, ring, Pieces(rows, first + begin, here, millivolts, entry))
            facts["samples"] += tally.placed
            facts["samples_late"] += tally.late
            facts["samples_duplicate"] += tally.duplicate

    def _finish(self, first: int, facts: Counter[str], refused: list[tuple[str, Headers]]) -> Step:
        ward, log = self._ward, self._log
        cut = ward.closing.finish(ward.patients, log)
        for outcome, windows in cut.counts() if len(cut.windows) else ():
            facts[f"windows_{outcome.name.lower()}"] += windows
        came = heard(ward.patients, log, first)
        if len(log):
            ward.park(log.since(log.last[0] - ward.rules.park_after_ms))
            oldest = int(ward.patients.oldest.min(initial=2**63 - 1))
            pinned = oldest < 2**63 - 1
            self._rewind = log.id(oldest) if pinned else successor(log.last)
            touched = int(ward.patients.touched.min(initial=oldest))
            log.forget(min(oldest, touched))
        marks = self._marks()
        parked = dict(ward.parking)
        ward.parking.clear()
        offset = max(self._committed, log.last)
        facts = +facts
        return Step(cut, marks, parked, facts, tuple(refused), came, text(offset), text(self._rewind))

    def _marks(self) -> dict[bytes, bytes]:
        ward, p = self._ward, self._ward.patients
        if not ward.dirty:
            return {}
        rows = np.unique(np.concatenate(ward.dirty))
        ward.dirty.clear()
        marks = pack_marks(
            session=p.session[rows],
            session_start_us=p.start_us[rows],
            rate_mhz=p.rate_mhz[rows],
            next_window=p.next_window[rows],
            next_sample=p.next_sample[rows],
            high_water=p.high_water[rows],
        )
        return dict(zip(p.name[rows].tolist(), marks, strict=True))

    def _load(self, name: bytes, mark: PatientMark, raw: bytes | None) -> None:
        """A patient as committed: not in memory until a frame comes."""
        p = self._ward.patients
        row = p.enter(name)
        p.begin(row, mark.session, mark.session_start_us, mark.rate_mhz)
        geometry = self._ward.geometry(row)
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
        self._ward.parked[row] = raw
        p.parked_end[row] = parked.end
        p.high_water[row] = high = max(parked.end, int(p.next_sample[row]))  # a changed stride may skip some
        p.scale[row] = parked.scale
        p.opened[row] = geometry.begun(high)
        p.next_open[row] = geometry.start(int(p.opened[row]))
