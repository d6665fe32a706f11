"""The alarms of a shard's patients: scored windows and commands in, alerts and the state to commit out.

Evidence is updated for a whole batch at once; only patients with whom something can happen (a condition
present, an alarm active, a time come) go through the state machine one by one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite

import numpy as np
import numpy.typing as npt

from services.inference.alarms.alert import Alert
from services.inference.alarms.census import Census
from services.inference.alarms.commands import Action, Applied, Command, Outcome
from services.inference.alarms.evidence import Conditions, Records, Scored, blank, forget_evidence, observe
from services.inference.alarms.judgement import Moment, Seen, on_command, on_window
from services.inference.alarms.rules import Rules
from services.inference.alarms.slot import Slot
from services.inference.alarms.standing import ADMITTED, Standing, pack, unpack
from services.inference.alarms.terms import NEVER_US, Status

Rows = npt.NDArray[np.int64]
_FEWEST = 16


class AlarmWard:
    """Knows the alarms of some patients. Not thread-safe; no clock, no store.

    Build it from the committed states (name, bytes) to go on where another one stopped. A patient first
    seen in a window is admitted. Memory: about 150 bytes a patient.
    """

    def __init__(self, rules: Rules, states: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._rules = rules
        self._rows: dict[bytes, int] = {}
        self._names: list[bytes | None] = []
        self._free: list[int] = []
        self._records: Records = blank(0)
        self._due = np.zeros(0, np.int64)
        self._busy = np.zeros(0, bool)
        self._watched = np.zeros(0, bool)
        self._order = np.zeros(0, np.int64)  # scratch: which window of a batch is a row's first
        self._standings: dict[int, Standing] = {}  # of those who differ from ADMITTED
        self._changed: list[Rows] = []
        self._census = Census()
        for name, state in states:
            record, standing = unpack(state)
            row = self._enter(name)
            self._records[row] = record[0]
            self._stand(row, standing)
        self._census.take()  # all this is committed and counted

    def __len__(self) -> int:
        """Patients known."""
        return len(self._rows)

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self._rules

    def reconfigure(self, rules: Rules) -> None:
        """Other rules from the next event on. What windows spoke for under the old ones stays counted."""
        self._rules = rules

    def apply(self, windows: Scored, model: str = "") -> list[Alert]:
        """Take the next windows, each patient's in their order, and give the alerts in the order of the windows.

        Windows up to the last one known of the same session are ignored. How windows are divided over calls
        changes nothing. Costs 1 to 3 µs a window in batches of 100 and more, and about 15 µs more for each one
        of a patient in alarm.
        """
        get = self._rows.get
        names = windows.patient.tolist()
        rows = np.array([get(name, -1) for name in names], np.int64)
        for i in np.flatnonzero(rows < 0).tolist():
            row = get(names[i])
            rows[i] = self._enter(names[i]) if row is None else row
        alerts: list[tuple[int, list[Alert]]] = []
        for at in self._rounds(rows):
            whole = len(at) == len(rows)
            alerts += self._round(windows if whole else windows[at], rows if whole else rows[at], at, model)
        alerts.sort(key=lambda pair: pair[0])
        return [alert for _, several in alerts for alert in several]

    def command(self, command: Command, model: str = "") -> Applied:
        """Do what a person asks; never raises."""
        row = self._rows.get(command.name)
        if row is None:
            if command.action is not Action.ADMIT:
                return Applied(Outcome.UNKNOWN_PATIENT)
            self._changed.append(np.array([self._enter(command.name)]))
            return Applied(Outcome.APPLIED)
        before = self._standings.get(row, ADMITTED)
        moment = self._moment(
            row,
            max(int(self._records["now_us"][row]), 0) or command.time_us,
            model=model,
            mark=command.id,
            who=command.who,
            why=command.why,
            command=command.id,
        )
        after, applied = on_command(before, moment, command, self._rules)
        if applied.outcome is Outcome.APPLIED:
            if after.status is not before.status:
                forget_evidence(self._records[row : row + 1])
            self._stand(row, after)
            self._changed.append(np.array([row]))
        return applied

    def tick(self, times: Iterable[tuple[bytes, int]], model: str = "") -> list[Alert]:
        """Let time pass for patients whose stream is lost: (name, their time in µs). Unknown ones are ignored.

        What nobody would be told of does not happen: it waits for the next window. So the alerts tell all that
        time alone has changed, and when, and an offline run can repeat it.
        """
        alerts: list[Alert] = []
        for name, time_us in times:
            row = self._rows.get(name)
            if row is None or not self._watched[row] or time_us < self._due[row]:
                continue
            moment = self._moment(
                row,
                max(time_us, int(self._records["now_us"][row])),
                model=model,
                mark=f"@{self._due[row]}",
                clock=True,
            )
            standing, said = on_window(self._standings.get(row, ADMITTED), moment, None, self._rules)
            if not said:
                continue
            self._records["now_us"][row] = moment.now_us
            self._stand(row, standing)
            self._changed.append(np.array([row]))
            alerts += said
        return alerts

    def changed(self) -> dict[bytes, bytes]:
        """The state of every patient that changed since the last call, to be committed."""
        if not self._changed:
            return {}
        rows = np.unique(np.concatenate(self._changed))
        self._changed.clear()
        rows = rows[[self._names[row] is not None for row in rows.tolist()]]
        listed = rows.tolist()
        tails = {i: self._standings[row] for i, row in enumerate(listed) if row in self._standings}
        packed = pack(self._records[rows], tails)
        return {name: state for row, state in zip(listed, packed, strict=True) if (name := self._names[row])}

    def renumber(self, windows: Mapping[bytes, tuple[int, int]]) -> None:
        """Windows count otherwise from now on (another stride): of each patient session and next window."""
        for name, (session, window) in windows.items():
            row = self._rows.get(name)
            if row is not None and self._records["session"][row] == session:
                self._records["window"][row] = window - 1

    def census(self) -> Counter[str]:
        """By how much the numbers of patients and active alarms changed since the last call, to be committed."""
        return self._census.take()

    def forget(self, names: Iterable[bytes]) -> None:
        """Drop all state of patients; the caller removes what was committed. Their alarms must have ended."""
        for name in names:
            row = self._rows.pop(name, None)
            if row is not None:
                self._names[row] = None
                self._census.stood(self._standings.pop(row, ADMITTED), None)
                self._free.append(row)

    def now_us(self, name: bytes) -> int:
        """How far a patient's own time has come; 0 if unknown."""
        row = self._rows.get(name)
        return 0 if row is None else int(self._records["now_us"][row])

    def standing(self, name: bytes) -> Standing | None:
        """Status, known finding and alarms of a patient; None if unknown."""
        row = self._rows.get(name)
        return None if row is None else self._standings.get(row, ADMITTED)

    def alarms(self) -> Iterator[tuple[bytes, Slot]]:
        """Every active alarm. Costs a look at each patient who is not simply well."""
        for row, standing in self._standings.items():
            name = self._names[row]
            for slot in standing.slots:
                if slot.active and name is not None:
                    yield name, slot

    def _rounds(self, rows: Rows) -> Iterator[Rows]:
        """Places of ``rows`` divided so that each patient has one window a round, in order."""
        at = np.arange(len(rows))
        while at.size:
            r, places = rows[at], np.arange(len(at))
            self._order[r[::-1]] = places[::-1]  # of several windows of a row the first is written last
            first = self._order[r] == places
            yield at[first]
            at = at[~first]

    def _round(self, windows: Scored, rows: Rows, at: Rows, model: str) -> list[tuple[int, list[Alert]]]:
        """One window for each of ``rows`` (distinct); ``at`` is where they were in the batch."""
        records = self._records[rows]
        new = records["session"] != windows.session
        fresh = new | (windows.window > records["window"])
        if not fresh.all():
            keep = np.flatnonzero(fresh)
            windows, rows, at, records, new = windows[keep], rows[keep], at[keep], records[keep], new[keep]
        back = new & (windows.end_us < records["now_us"])
        for i in np.flatnonzero(back).tolist():
            row = int(rows[i])
            by_us = int(windows.end_us[i] - records["now_us"][i])
            self._stand(row, self._standings.get(row, ADMITTED).shifted(by_us))
        records["session"], records["window"] = windows.session, windows.window
        records["now_us"] = np.where(back, windows.end_us, np.maximum(windows.end_us, records["now_us"]))
        watched = self._watched[rows]
        conditions = observe(records, windows, watched, self._rules)
        self._records[rows] = records
        self._changed.append(rows)
        awake = watched & (conditions.any | self._busy[rows] | (records["now_us"] >= self._due[rows]))
        alerts = []
        for i in np.flatnonzero(awake).tolist():
            said = self._judge(windows, conditions, i, int(rows[i]), model)
            if said:
                alerts.append((int(at[i]), said))
        return alerts

    def _judge(self, windows: Scored, conditions: Conditions, i: int, row: int, model: str) -> list[Alert]:
        seen = Seen(*(getattr(conditions, name)[i].item() for name in Seen.__slots__))
        quality = float(windows.quality[i])  # the gate is not asked about a window with too few samples
        moment = self._moment(
            row,
            int(self._records["now_us"][row]),
            model=model,
            scores=tuple(windows.scores[i].tolist()) if seen.judged else None,
            quality=quality if isfinite(quality) else None,
            reasons=int(windows.reasons[i]),
            strip=not windows.empty[i],
        )
        before = self._standings.get(row, ADMITTED)
        standing, alerts = on_window(before, moment, seen, self._rules)
        if standing is not before:
            self._stand(row, standing)
        return alerts

    def _moment(
        self,
        row: int,
        now_us: int,
        *,
        model: str,
        scores: tuple[float, ...] | None = None,
        quality: float | None = None,
        reasons: int = 0,
        mark: str = "",
        who: str = "",
        why: str = "",
        command: str = "",
        strip: bool = False,
        clock: bool = False,
    ) -> Moment:
        name, record = self._names[row], self._records[row]
        return Moment(
            name or b"",
            int(record["session"]),
            int(record["window"]),
            now_us,
            tuple(record["smoothed"].tolist()),
            scores,
            quality,
            reasons,
            model,
            mark,
            who,
            why,
            command,
            strip,
            clock=clock,
        )

    def _stand(self, row: int, standing: Standing) -> None:
        """Keep a standing, and what the quick look at a batch needs to know of it."""
        self._census.stood(self._standings.get(row, ADMITTED), standing)
        if standing == ADMITTED:
            self._standings.pop(row, None)
        else:
            self._standings[row] = standing
        self._due[row] = standing.due_us
        self._busy[row] = standing.busy
        self._watched[row] = standing.status is Status.ADMITTED

    def _enter(self, name: bytes) -> int:
        if not self._free:
            self._grow()
        row = self._free.pop()
        self._rows[name] = row
        self._names[row] = name
        self._records[row] = blank(1)[0]
        self._census.stood(None, ADMITTED)
        self._stand(row, ADMITTED)
        return row

    def _grow(self) -> None:
        old = len(self._names)
        more = max(_FEWEST, old)
        self._names += [None] * more
        self._records = np.concatenate([self._records, blank(more)])
        self._due = np.concatenate([self._due, np.full(more, NEVER_US, np.int64)])
        self._busy = np.concatenate([self._busy, np.zeros(more, bool)])
        self._watched = np.concatenate([self._watched, np.ones(more, bool)])
        self._order = np.concatenate([self._order, np.zeros(more, np.int64)])
        self._free.extend(reversed(range(old, old + more)))
