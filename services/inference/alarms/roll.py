"""When each patient of a shard was last heard: a row a patient, one array a field."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from services.inference.alarms.terms import NEVER_US
from services.inference.alarms.together import NO_SESSION, NOBODY, TALLY, Tally

Bools = npt.NDArray[np.bool_]
_FEWEST = 16
_FIELDS: tuple[tuple[str, npt.DTypeLike], ...] = (
    ("heard", np.int64),
    ("since", np.int64),
    ("sample", np.int64),
    ("base", np.int64),
    ("session", np.uint64),
    ("watched", np.bool_),
    ("armed", np.bool_),
    ("spared", np.bool_),
)


class Roll:
    """Rows of the patients of one shard. Freed rows are used again; they are neither watched nor armed.

    ``heard``: log time of the newest frame, 0: none that this roll has seen. ``since``: from when on silence
    counts (`NEVER_US`: not yet). ``sample``: how far the patient's own time had come at ``base`` of the log.
    ``spared``: silent at the last check, with an alarm about all of theirs.
    """

    heard: npt.NDArray[np.int64]
    since: npt.NDArray[np.int64]
    sample: npt.NDArray[np.int64]
    base: npt.NDArray[np.int64]
    session: npt.NDArray[np.uint64]
    watched: Bools
    armed: Bools
    spared: Bools

    def __init__(self) -> None:
        self.names: list[bytes] = []
        self._rows: dict[bytes, int] = {}
        self._free: list[int] = []
        self._fresh: set[int] = set()  # before the first check: known, silence to count from then
        self._begun = False
        for field, dtype in _FIELDS:
            setattr(self, field, np.zeros(0, dtype))

    @property
    def nobody(self) -> Bools:
        """No row."""
        return np.zeros(len(self.names), bool)

    def add(self, name: bytes, session: int, sample_us: int, watched: bool) -> None:
        """A patient who was heard by an earlier owner."""
        row = self._enter(name)
        self.session[row], self.sample[row], self.watched[row] = session, sample_us, watched
        self._fresh.add(row)

    def hear(
        self,
        patients: Sequence[bytes],
        session: npt.NDArray[np.uint64],
        sample_us: npt.NDArray[np.int64],
        at_us: npt.NDArray[np.int64],
    ) -> None:
        """Frames of distinct patients came."""
        get = self._rows.get
        rows = np.array([get(name, -1) for name in patients], np.int64)
        for i in np.flatnonzero(rows < 0).tolist():
            rows[i] = self._enter(patients[i])
        self.heard[rows] = self.base[rows] = at_us
        # Never back: what time without a look has been forgiven stays so.
        self.since[rows] = np.where(self.since[rows] == NEVER_US, at_us, np.maximum(self.since[rows], at_us))
        self.sample[rows], self.session[rows] = sample_us, session

    def begin(self, now_us: int) -> None:
        """The first look: silence counts from now, for all who were ever heard."""
        known = self.since < NEVER_US
        known[list(self._fresh)] = True
        unheard = known & (self.heard == 0)
        self.base[unheard] = now_us
        self.since[known] = now_us
        self._fresh.clear()

    def forgive(self, by_us: int, now_us: int) -> None:
        """Time without a look: silence counts so much less."""
        known = self.since < NEVER_US
        self.since[known] = np.minimum(self.since[known] + by_us, now_us)

    def set_back(self, by_us: int, now_us: int) -> None:
        """The clock was set back: who was silent stays so for as long as before, and nothing lies ahead of now.

        Called with 0, too: entry ids go on at the old time, so what is heard now seems to come from the future.
        """
        heard, known = self.heard > 0, self.since < NEVER_US
        self.heard[heard] = np.minimum(self.heard[heard] - by_us, now_us)
        self.since[known] = np.minimum(self.since[known] - by_us, now_us)
        self.base[known] = np.minimum(self.base[known] - by_us, now_us)

    def restart(self, rows: Bools, now_us: int) -> None:
        """The silence of these counts anew."""
        self.since[rows] = np.maximum(self.since[rows], now_us)

    def silent(self, before_us: int) -> Bools:
        """Who is watched and was not heard since ``before_us``."""
        return self.watched & (self.since < before_us)

    def times(self, rows: Bools, now_us: int) -> Iterator[tuple[bytes, int]]:
        """How far the own time of these has come, by the clock."""
        at = np.flatnonzero(rows)
        for row, time in zip(at.tolist(), (self.sample[at] + now_us - self.base[at]).tolist(), strict=True):
            yield self.names[row], time

    def tally(self, shard: int) -> Tally:
        """The shard's part of `Together`: a row a session."""
        watched = np.flatnonzero(self.watched & (self.since < NEVER_US))
        if not watched.size:
            return NOBODY
        sessions = self.session[watched]
        first = np.zeros(1, np.int64)
        if (sessions != sessions[0]).any():  # mostly a shard's patients are all of one source
            order = np.argsort(sessions)
            watched, sessions = watched[order], sessions[order]
            first = np.flatnonzero(np.concatenate([[True], sessions[1:] != sessions[:-1]]))
        armed = self.armed[watched]
        rows = np.empty(len(first), TALLY)
        rows["shard"], rows["session"] = shard, sessions[first]
        rows["members"] = np.add.reduceat(armed, first, dtype=np.int64)
        rows["since_us"] = np.maximum.reduceat(np.where(armed, self.since[watched], 0), first)
        rows["heard_us"] = np.maximum.reduceat(self.heard[watched], first)
        return rows

    def watch(self, name: bytes, watched: bool, now_us: int) -> None:
        """A patient is admitted or leaves; one never heard is not missed before the first frame."""
        row = self._rows.get(name)
        row = self._enter(name) if row is None else row
        self.watched[row] = watched
        if self.since[row] < NEVER_US:
            self.since[row] = now_us

    def arm(self, name: bytes, armed: bool) -> None:
        """Whether silence would alarm."""
        row = self._rows.get(name)
        self.armed[self._enter(name) if row is None else row] = armed

    def session_of(self, name: bytes) -> int:
        """The session of the newest frame; 0 if there was none."""
        row = self._rows.get(name)
        return NO_SESSION if row is None else int(self.session[row])

    def remove(self, name: bytes) -> None:
        """Forget a patient; an unknown one is ignored."""
        row = self._rows.pop(name, None)
        if row is not None:
            self.watched[row] = self.armed[row] = self.spared[row] = False
            self._fresh.discard(row)
            self._free.append(row)

    def _enter(self, name: bytes) -> int:
        if not self._free:
            self._grow()
        row = self._rows[name] = self._free.pop()
        self.names[row] = name
        self.heard[row] = self.sample[row] = self.base[row] = 0
        self.since[row] = NEVER_US
        self.session[row] = NO_SESSION
        self.watched[row] = self.armed[row] = True
        self.spared[row] = False
        return row

    def _grow(self) -> None:
        old = len(self.names)
        more = max(_FEWEST, old)
        for field, _ in _FIELDS:
            values = getattr(self, field)
            setattr(self, field, np.concatenate([values, np.zeros(more, values.dtype)]))
        self.since[old:] = NEVER_US
        self.names += [b""] * more
        self._free.extend(reversed(range(old, old + more)))
