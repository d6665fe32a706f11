"""Who has fallen silent: one alarm a patient, or one for all when a whole source or shard stops.

This is the one part of alarms that needs a clock, so it has a state of its own and is outside the purity of
the rest. The clock is the log's (entry ids, and the store's time when the log was read to its end): a monitor that
was paused or is behind never takes its own silence for the patients'.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from services.inference.alarms.alert import Alert, alarm_id
from services.inference.alarms.commands import Action, Applied, Command, Outcome
from services.inference.alarms.judgement import Moment, announced, answer
from services.inference.alarms.rules import TECHNICAL_PRIORITY, Rules, micros
from services.inference.alarms.slot import Finding, Slot, judge, move
from services.inference.alarms.standing import StateError, pack_slot, unpack_slots
from services.inference.alarms.terms import Cause, Kind, Phase, Priority, Trigger

SHARD = 0
"""The session that stands for all of the shard's patients."""
_VERSION = 1
_BACK = Finding(Priority.NONE, gone=True)


@dataclass(frozen=True, slots=True)
class Silence:
    """What a check found: alerts, and the patients whose stream is lost with how far *their* time has come."""

    alerts: tuple[Alert, ...]
    lost: tuple[tuple[bytes, int], ...]
    """For `AlarmWard.tick`: while nothing comes, escalation goes on by the clock."""


@dataclass(frozen=True, slots=True)
class _Watch:
    """One thing that can fall silent. Disarmed once it has alarmed, until it is heard again."""

    slot: Slot
    armed: bool = True

    def pack(self) -> bytes:
        return bytes([_VERSION, self.armed]) + pack_slot(self.slot)

    @classmethod
    def unpack(cls, state: bytes, kind: Kind) -> "_Watch":
        if len(state) < 2 or state[0] != _VERSION:
            raise StateError(f"liveness state of {len(state)} bytes: not ours")
        slots = unpack_slots(state[2:])
        if len(slots) != 1 or slots[0].kind is not kind:
            raise StateError("liveness state of another kind: not ours")
        return cls(slots[0], bool(state[1]))


class Liveness:
    """The silence of some patients. Not thread-safe.

    ``expected``: patients known at ``now_us`` and whether each is watched (admitted); their silence counts from
    then on. ``states``: what `changed` gave last for each key.
    """

    def __init__(
        self,
        rules: Rules,
        now_us: int = 0,
        expected: Iterable[tuple[bytes, bool]] = (),
        states: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        self._rules = rules
        self._rows: dict[bytes, int] = {}
        self._names: list[bytes] = []
        self._free: list[int] = []
        self._heard = np.zeros(0, np.int64)
        self._since = np.zeros(0, np.int64)  # from when on silence counts
        self._sample = np.zeros(0, np.int64)
        self._session = np.zeros(0, np.uint64)
        self._watched = np.zeros(0, bool)
        self._armed = np.zeros(0, bool)
        self._watches: dict[bytes, _Watch] = {}  # of those in alarm, refractory or disarmed
        self._changed: set[bytes] = set()
        for name, watched in expected:
            row = self._enter(name)
            self._heard[row] = self._since[row] = self._sample[row] = now_us
            self._watched[row] = watched
        for key, state in states:
            self._keep(key, _Watch.unpack(state, Kind.SYSTEM_SILENT if _is_system(key) else Kind.STREAM_LOST))
        self._changed.clear()

    def heard(
        self,
        patients: Iterable[bytes],
        session: npt.NDArray[np.uint64],
        sample_us: npt.NDArray[np.int64],
        at_us: int,
    ) -> list[Alert]:
        """Frames came at ``at_us`` of the log, each up to ``sample_us`` of its patient's time: alarms end."""
        names = list(patients)
        rows = np.array([self._rows.get(n, -1) for n in names], np.int64)
        for i in np.flatnonzero(rows < 0).tolist():
            rows[i] = self._enter(names[i])
        self._heard[rows] = self._since[rows] = at_us
        self._sample[rows], self._session[rows] = sample_us, session
        alerts: list[Alert] = []
        if not self._watches:
            return alerts
        sessions = {int(s): key for key in self._watches if _is_system(key) for s in (_session(key),)}
        for number, key in sessions.items():
            members = self._members(number)
            if np.isin(rows, members).any():
                if not self._watches[key].armed:  # back after an alarm: who stays away has the full time again
                    self._since[members] = np.maximum(self._since[members], at_us)
                alerts += self._returned(key, at_us)
        for name in dict.fromkeys(n for n in names if n in self._watches):
            alerts += self._returned(name, at_us)
        return alerts

    def check(self, now_us: int) -> Silence:
        """Who is silent. Call it about once a second, only when the log has been read to its end at ``now_us``."""
        alerts: list[Alert] = []
        for key in list(self._watches):
            alerts += self._judge(key, None, now_us)
        lost_us = micros(self._rules.settings.stream_lost_s)
        member = self._watched & self._armed
        silent = member & (now_us - self._since > lost_us)
        spared = np.zeros(len(silent), bool)
        if silent.any():
            for session in self._silent_together(member, silent):
                alerts += self._judge(_key(session), self._finding(Kind.SYSTEM_SILENT), now_us)
                spared[self._members(session)] = True
                if session == SHARD:
                    break
            alone = silent & ~spared & (now_us - self._since > lost_us + micros(self._rules.settings.gather_s))
            for row in np.flatnonzero(alone).tolist():
                alerts += self._judge(self._names[row], self._finding(Kind.STREAM_LOST), now_us)
        lost = np.flatnonzero(self._watched & (spared | (now_us - self._heard > lost_us)))
        times = self._sample[lost] + (now_us - self._heard[lost])
        return Silence(
            tuple(alerts),
            tuple((self._names[row], t) for row, t in zip(lost.tolist(), times.tolist(), strict=True)),
        )

    def command(self, command: Command, now_us: int) -> Applied:
        """What people do about it: acknowledge, end; standby and discharge stop the watch, admit resumes it."""
        row = self._rows.get(command.name)
        if command.action in {Action.ADMIT, Action.STANDBY, Action.DISCHARGE}:
            if row is None:
                return Applied(Outcome.UNKNOWN_PATIENT)
            self._watched[row] = command.action is Action.ADMIT
            self._since[row] = now_us
            cause = Cause.STANDBY if command.action is Action.STANDBY else Cause.DISCHARGED
            return Applied(Outcome.APPLIED, tuple(self._leave(command, cause, now_us)))
        for key, watch in self._watches.items():
            if watch.slot.alarm.hex() == command.alarm and (_is_system(key) or key == command.name):
                moment = self._moment(key, now_us, command)
                slot, applied = answer(watch.slot, moment, command.action, self._rules)
                if applied.outcome is Outcome.APPLIED:
                    self._keep(key, replace(watch, slot=slot))
                return applied
        return Applied(Outcome.NOT_ACTIVE)

    def forget(self, names: Iterable[bytes]) -> None:
        """Drop patients who were discharged."""
        for name in names:
            row = self._rows.pop(name, None)
            if row is not None:
                self._watched[row] = False
                self._free.append(row)
                if self._watches.pop(name, None) is not None:
                    self._changed.add(name)

    def changed(self) -> dict[bytes, bytes | None]:
        """The state of every key that changed since the last call; None where nothing is to be kept."""
        states = {key: w.pack() if (w := self._watches.get(key)) else None for key in sorted(self._changed)}
        self._changed.clear()
        return states

    def alarms(self) -> Iterator[tuple[bytes, Slot]]:
        """Every active alarm; a system alarm's patient is empty."""
        for key, watch in self._watches.items():
            if watch.slot.active:
                yield b"" if _is_system(key) else key, watch.slot

    def _silent_together(self, member: npt.NDArray[np.bool_], silent: npt.NDArray[np.bool_]) -> Iterator[int]:
        """Sessions (a source's patients share one) of which everybody is silent; `SHARD` first if all are."""
        fewest = self._rules.settings.system_patients
        if silent.sum() >= fewest and (silent == member).all():
            yield SHARD
        known = silent & (self._session != SHARD)
        sessions, count = np.unique(self._session[known], return_counts=True)
        for session, quiet in zip(sessions.tolist(), count.tolist(), strict=True):
            if quiet >= fewest and quiet == int((member & (self._session == session)).sum()):
                yield session

    def _finding(self, kind: Kind) -> Finding:
        return Finding(TECHNICAL_PRIORITY[kind], gone=False)

    def _members(self, session: int) -> npt.NDArray[np.int64]:
        return np.flatnonzero((self._session == session) | (session == SHARD))

    def _returned(self, key: bytes, now_us: int) -> list[Alert]:
        alerts = self._judge(key, _BACK, now_us)
        watch = self._watches.get(key)
        if watch is not None:
            self._keep(key, replace(watch, armed=True))
        return alerts

    def _judge(self, key: bytes, finding: Finding | None, now_us: int) -> list[Alert]:
        kind = Kind.SYSTEM_SILENT if _is_system(key) else Kind.STREAM_LOST
        watch = self._watches.get(key) or _Watch(Slot(kind))
        if finding is not None and finding.level and not watch.armed:
            return []
        moment = self._moment(key, now_us)
        alarm = alarm_id(moment.patient, moment.session, now_us, kind)
        moves = judge(watch.slot, finding, now_us, self._rules.courses[kind], alarm)
        if moves:
            began = moves[-1].slot.phase is Phase.RAISED
            self._keep(key, _Watch(moves[-1].slot, watch.armed and not began))
        return announced(watch.slot, moves, moment, self._rules)

    def _leave(self, command: Command, cause: Cause, now_us: int) -> list[Alert]:
        watch = self._watches.get(command.name)
        if watch is None:
            return []
        moved = move(watch.slot, Trigger.LEAVE, cause, now_us, self._rules.courses[Kind.STREAM_LOST])
        self._keep(command.name, _Watch(Slot(Kind.STREAM_LOST)))
        moment = self._moment(command.name, now_us, command)
        return announced(watch.slot, [moved], moment, self._rules) if moved is not None else []

    def _moment(self, key: bytes, now_us: int, command: Command | None = None) -> Moment:
        row = self._rows.get(key)
        session = _session(key) if _is_system(key) else int(self._session[row]) if row is not None else 0
        return Moment(
            patient=b"" if row is None else key,
            session=session,
            window=-1,
            now_us=now_us,
            smoothed=(),
            mark=f"@{now_us}" if command is None else command.id,
            who=command.who if command else "",
            why=command.why if command else "",
            command=command.id if command else "",
        )

    def _keep(self, key: bytes, watch: _Watch) -> None:
        row = None if _is_system(key) else self._enter(key)
        if watch.armed and watch.slot.phase is Phase.IDLE:
            self._watches.pop(key, None)
        else:
            self._watches[key] = watch
        if row is not None:
            self._armed[row] = watch.armed
        self._changed.add(key)

    def _enter(self, name: bytes) -> int:
        row = self._rows.get(name)
        if row is None:
            if not self._free:
                self._grow()
            row = self._rows[name] = self._free.pop()
            self._names[row] = name
            self._session[row] = SHARD
            self._watched[row] = self._armed[row] = True
        return row

    def _grow(self) -> None:
        old = len(self._names)
        more = max(16, old)
        for field in ("_heard", "_since", "_sample", "_session", "_watched", "_armed"):
            values = getattr(self, field)
            setattr(self, field, np.concatenate([values, np.zeros(more, values.dtype)]))
        self._names += [b""] * more
        self._free.extend(reversed(range(old, old + more)))


def _key(session: int) -> bytes:
    """The key of a system alarm; no patient's name begins with NUL."""
    return b"\0" + session.to_bytes(8, "little")


def _is_system(key: bytes) -> bool:
    return key[:1] == b"\0"


def _session(key: bytes) -> int:
    return int.from_bytes(key[1:9], "little")
