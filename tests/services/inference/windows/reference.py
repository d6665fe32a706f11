"""Windowing said as plainly as DESIGN says it: one patient, one dict of samples, one sample at a time."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from services.inference.windows import Cut, Cutter, Outcome, Rules, Step, Ward
from shared.frames import LEADS, Frames, headers
from shared.position import ShardPosition, parse_id


@dataclass(frozen=True)
class Frame:
    """One frame as a test writes it; ``samples`` are counts."""

    patient: bytes
    samples: tuple[int, ...]
    first: int = 0
    session: int = 1
    start_us: int = 0
    rate_mhz: int = 50_000
    gain: float = 2.5
    lead: str = "I"


@dataclass(frozen=True)
class Closed:
    """One window that closed; ``millivolts`` as bytes (NaN where missing), None if unassessable."""

    session: tuple[int, int]
    window: int
    first: int
    rate_mhz: int
    outcome: Outcome
    missing: int
    end_us: int
    entry: str
    millivolts: bytes | None


@dataclass
class Reference:
    """Feed it frames one by one; ``windows`` of each patient and ``facts`` are the answer."""

    rules: Rules
    windows: dict[bytes, list[Closed]] = field(default_factory=dict)
    facts: Counter[str] = field(default_factory=Counter)
    patients: dict[bytes, "Session"] = field(default_factory=dict)

    def frame(self, entry: str, frame: Frame) -> None:
        self.facts["frames"] += 1
        if LEADS.index(frame.lead) != self.rules.lead:
            self.facts["frames_wrong_lead"] += 1
        elif frame.start_us > (int(entry.split("-", maxsplit=1)[0]) + 300_000) * 1000:
            self.facts["frames_future_start"] += 1
        elif frame.patient not in self.patients and len(self.patients) >= self.rules.max_patients:
            self.facts["frames_no_room"] += 1
        else:
            self._accept(entry, frame)

    def needed(self) -> str | None:
        """The oldest entry that brought a sample which some open window still needs."""
        sessions = self.patients.values()
        return min(
            (entry for s in sessions for k, entry in s.brought.items() if k >= s.start(s.next)),
            key=parse_id,
            default=None,
        )

    def _accept(self, entry: str, frame: Frame) -> None:
        key = (frame.start_us, frame.session)
        session = self.patients.get(frame.patient)
        if session is None or key > session.key:
            if session is not None:
                while session.start(session.next) < session.high_water:
                    self._close(frame.patient, session, entry)
            session = self.patients[frame.patient] = Session(self.rules, key, frame.rate_mhz)
        if key < session.key:
            self.facts["frames_stale_session"] += 1
            return
        if frame.rate_mhz != session.rate_mhz:
            self.facts["frames_rate_changed"] += 1
            return
        scale = np.float32(frame.gain) * np.float32(1e-3)
        for index, count in enumerate(frame.samples, frame.first):
            if index < session.start(session.next):
                self.facts["samples_late"] += 1
            elif index in session.samples:
                self.facts["samples_duplicate"] += 1
            else:
                self.facts["samples"] += 1
                session.brought[index] = entry
                session.samples[index] = np.float32(count) * scale
        session.high_water = max(session.high_water, frame.first + len(frame.samples))
        while session.may_close():
            self._close(frame.patient, session, entry)

    def _close(self, patient: bytes, session: "Session", entry: str) -> None:
        first = session.start(session.next)
        values = [session.samples.get(k, np.float32(np.nan)) for k in session.indices()]
        missing = sum(bool(np.isnan(v)) for v in values)
        assessable = missing <= self.rules.max_missing * len(values)
        outcome = Outcome.COMPLETE if missing == 0 else Outcome.GAPPED if assessable else Outcome.UNASSESSABLE
        self.facts[f"windows_{outcome.name.lower()}"] += 1
        end_us = session.key[0] + (first + len(values)) * 10**9 // session.rate_mhz
        closed = Closed(
            (session.key[0], session.key[1]),
            session.next,
            first,
            session.rate_mhz,
            outcome,
            missing,
            end_us,
            entry,
            np.array(values, np.float32).tobytes() if assessable else None,
        )
        self.windows.setdefault(patient, []).append(closed)
        session.next += 1


@dataclass
class Session:
    """Samples by index; ``next`` is the window that closes next."""

    rules: Rules
    key: tuple[int, int]
    rate_mhz: int
    next: int = 0
    high_water: int = 0
    samples: dict[int, np.float32] = field(default_factory=dict)
    brought: dict[int, str] = field(default_factory=dict)  # by which entry

    def start(self, window: int) -> int:
        return int(Fraction(window) * Fraction(self.rules.stride_us, 10**6) * Fraction(self.rate_mhz, 1000))

    def indices(self) -> range:
        first = self.start(self.next)
        return range(first, first - (-10 * self.rate_mhz // 1000))

    def may_close(self) -> bool:
        indices = self.indices()
        lateness = -(-self.rules.lateness_us * self.rate_mhz // 10**9)
        if self.high_water >= indices.stop + lateness:
            return True
        return self.high_water >= indices.stop and all(k in self.samples for k in indices)


Entry = tuple[str, list[Frame]]


def referred(rules: Rules, log: list[Entry]) -> Reference:
    """What the reference makes of a log."""
    reference = Reference(rules)
    for entry, frames in log:
        for frame in frames:
            reference.frame(entry, frame)
    reference.facts = +reference.facts
    return reference


def runs(frames: list[Frame]) -> list[Frames]:
    """Frames as `decode` gives them: runs of equal length."""
    made: list[Frames] = []
    while frames:
        count = len(frames[0].samples)
        same = next((i for i, f in enumerate(frames) if len(f.samples) != count), len(frames))
        header = headers(same)
        for h, frame in zip(header, frames[:same], strict=True):
            h["patient"], h["session"], h["session_start_us"] = frame.patient, frame.session, frame.start_us
            h["first"], h["rate_mhz"], h["uv_per_lsb"] = frame.first, frame.rate_mhz, frame.gain
            h["lead"], h["count"] = LEADS.index(frame.lead), count
        made.append(Frames(header, np.array([f.samples for f in frames[:same]], np.int16)))
        frames = frames[same:]
    return made


def step(cutter: Cutter, log: list[Entry]) -> Step:
    """One step over some entries."""
    return cutter.step([(entry, runs(frames)) for entry, frames in log])


def expanded(cut: Cut, rows: Iterable[int] | None = None) -> dict[bytes, list[Closed]]:
    """The windows of a cut by patient, counted ranges spelled out; or those at ``rows``."""
    samples = {int(i): row for b in cut.blocks for i, row in zip(b.index, b.millivolts, strict=True)}
    windows: dict[bytes, list[Closed]] = {}
    for i in range(len(cut.windows)) if rows is None else rows:
        row = cut.windows[i]
        session = (int(row["session_start_us"]), int(row["session"]))
        for n in range(int(row["windows"])):
            only = int(row["windows"]) == 1
            closed = Closed(
                session,
                int(row["window"]) + n,
                int(row["first"]) if n == 0 else -1,
                int(row["rate_mhz"]),
                Outcome(int(row["outcome"])),
                int(row["missing"]),
                int(row["end_us"]) if only else -1,
                f"{row['entry_ms']}-{row['entry_sequence']}",
                samples[i].tobytes() if i in samples else None,
            )
            windows.setdefault(bytes(row["patient"]), []).append(closed)
    return windows


def alike(got: list[Closed], wanted: list[Closed]) -> bool:
    """Equal, but for what a counted range does not say of each of its windows."""
    return len(got) == len(wanted) and all(
        g.session == w.session
        and g.window == w.window
        and g.rate_mhz == w.rate_mhz
        and (g.outcome, g.missing, g.entry, g.millivolts) == (w.outcome, w.missing, w.entry, w.millivolts)
        and g.first in (-1, w.first)
        and g.end_us in (-1, w.end_us)
        for g, w in zip(got, wanted, strict=True)
    )


class Store:
    """What commits have kept, and what they have let out, exactly once."""

    def __init__(self) -> None:
        self.position = ShardPosition()
        self.marks: dict[bytes, bytes] = {}
        self.parked: dict[bytes, bytes] = {}
        self.windows: dict[bytes, list[Closed]] = {}
        self.facts: Counter[str] = Counter()

    def commit(self, done: Step) -> None:
        self.position = ShardPosition(offset=done.offset, rewind=done.rewind)
        self.marks.update(done.marks)
        for name, parked in done.parked.items():
            if parked is None:
                self.parked.pop(name, None)
            else:
                self.parked[name] = parked
        for patient, windows in expanded(done.cut, done.rows.tolist()).items():
            self.windows.setdefault(patient, []).extend(windows)
        self.facts.update(done.facts)

    def cutter(self, rules: Rules, ward: Ward | None = None) -> Cutter:
        """A new owner's."""
        patients = [(name, mark, self.parked.get(name)) for name, mark in self.marks.items()]
        return Cutter(rules, self.position, patients, ward)
