"""The alarms of a shard's patients: scored windows and commands in, alerts and the state to commit out.

Evidence is updated for a whole batch at once, of several shards (`apply_together`); only patients with whom
something can happen (a condition present, an alarm active, a time come) go through the state machine one by one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite

import numpy as np
import numpy.typing as npt

from services.inference.alarms.alert import Alert
from services.inference.alarms.batch import apply_together
from services.inference.alarms.beds import Beds
from services.inference.alarms.census import Census
from services.inference.alarms.commands import Action, Applied, Command, Outcome
from services.inference.alarms.evidence import Conditions, Scored, forget_evidence
from services.inference.alarms.judgement import Moment, Seen, on_command, on_window
from services.inference.alarms.rules import Rules
from services.inference.alarms.slot import Slot
from services.inference.alarms.standing import ADMITTED, Standing, pack, unpack
from services.inference.alarms.terms import Status

Rows = npt.NDArray[np.int64]


class AlarmWard:
    """Knows the alarms of some patients. Not thread-safe; no clock, no store.

    Build it from the committed states (name, bytes) to go on where another one stopped. A patient first
    seen in a window is admitted. ``beds``: where its patients lie beside those of other shards; without any
    it has its own. Memory: about 150 bytes a patient.
    """

    def __init__(self, rules: Rules, states: Iterable[tuple[bytes, bytes]] = (), beds: Beds | None = None) -> None:
        self._rules = rules
        self._rows: dict[bytes, int] = {}
        self._names: dict[int, bytes] = {}
        self.beds = Beds() if beds is None else beds
        self._standings: dict[int, Standing] = {}  # of those who differ from ADMITTED
        self._changed: list[Rows] = []
        self._census = Census()
        try:
            for name, state in states:
                record, standing = unpack(state)
                row = self._enter(name)
                self.beds.records[row] = record[0]
                self._stand(row, standing)
        except BaseException:
            self.close()
            raise
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
        (alerts,) = apply_together([(self, np.arange(len(windows)))], windows, model)
        return alerts

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
            max(int(self.beds.records["now_us"][row]), 0) or command.time_us,
            model=model,
            mark=command.id,
            who=command.who,
            why=command.why,
            command=command.id,
        )
        after, applied = on_command(before, moment, command, self._rules)
        if applied.outcome is Outcome.APPLIED:
            if after.status is not before.status:
                forget_evidence(self.beds.records[row : row + 1])
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
            if row is None or not self.beds.watched[row] or time_us < self.beds.due[row]:
                continue
            moment = self._moment(
                row,
                max(time_us, int(self.beds.records["now_us"][row])),
                model=model,
                mark=f"@{self.beds.due[row]}",
                clock=True,
            )
            standing, said = on_window(self._standings.get(row, ADMITTED), moment, None, self._rules)
            if not said:
                continue
            self.beds.records["now_us"][row] = moment.now_us
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
        names = self._names
        listed = [row for row in rows.tolist() if row in names]
        tails = {i: self._standings[row] for i, row in enumerate(listed) if row in self._standings}
        packed = pack(self.beds.records[listed], tails)
        return {names[row]: state for row, state in zip(listed, packed, strict=True)}

    def renumber(self, windows: Mapping[bytes, tuple[int, int]]) -> None:
        """Windows count otherwise from now on (another stride): of each patient session and next window."""
        for name, (session, window) in windows.items():
            row = self._rows.get(name)
            if row is not None and self.beds.records["session"][row] == session:
                self.beds.records["window"][row] = window - 1

    def census(self) -> Counter[str]:
        """By how much the numbers of patients and active alarms changed since the last call, to be committed."""
        return self._census.take()

    def forget(self, names: Iterable[bytes]) -> None:
        """Drop all state of patients; the caller removes what was committed. Their alarms must have ended."""
        for name in names:
            row = self._rows.pop(name, None)
            if row is not None:
                del self._names[row]
                self._census.stood(self._standings.pop(row, ADMITTED), None)
                self.beds.give(row)

    def close(self) -> None:
        """Give all beds back; the ward is of no use any more."""
        for row in self._names:
            self.beds.give(row)
        self._rows.clear()
        self._names.clear()

    def now_us(self, name: bytes) -> int:
        """How far a patient's own time has come; 0 if unknown."""
        row = self._rows.get(name)
        return 0 if row is None else int(self.beds.records["now_us"][row])

    def standing(self, name: bytes) -> Standing | None:
        """Status, known finding and alarms of a patient; None if unknown."""
        row = self._rows.get(name)
        return None if row is None else self._standings.get(row, ADMITTED)

    def alarms(self) -> Iterator[tuple[bytes, Slot]]:
        """Every active alarm. Costs a look at each patient who is not simply well."""
        for row, standing in self._standings.items():
            for slot in standing.slots:
                if slot.active:
                    yield self._names[row], slot

    def find(self, names: Iterable[bytes]) -> list[int]:
        """The bed of each; who is not known is admitted."""
        get = self._rows.get
        return [self._enter(name) if (row := get(name)) is None else row for name in names]

    def shift(self, row: int, by_us: int) -> None:
        """A patient's time begins anew, so much off: the alarms go with it."""
        self._stand(row, self._standings.get(row, ADMITTED).shifted(by_us))

    def touch(self, rows: Rows) -> None:
        """What lies in these beds has changed."""
        self._changed.append(rows)

    def judge(self, windows: Scored, conditions: Conditions, i: int, row: int, model: str) -> list[Alert]:
        """One by one: window ``i``, which is that of the patient in bed ``row``."""
        seen = Seen(*(getattr(conditions, name)[i].item() for name in Seen.__slots__))
        quality = float(windows.quality[i])  # the gate is not asked about a window with too few samples
        moment = self._moment(
            row,
            int(self.beds.records["now_us"][row]),
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
        record = self.beds.records[row]
        return Moment(
            self._names[row],
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
        self.beds.due[row] = standing.due_us
        self.beds.busy[row] = standing.busy
        self.beds.watched[row] = standing.status is Status.ADMITTED

    def _enter(self, name: bytes) -> int:
        row = self.beds.take()
        self._rows[name] = row
        self._names[row] = name
        self._census.stood(None, ADMITTED)
        self._stand(row, ADMITTED)
        return row
