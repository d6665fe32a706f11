"""Who has fallen silent: one alarm a patient, or one for all when a whole source or shard stops.

This is the one part of alarms that needs a clock, so it has a state of its own and is outside the purity of
the rest. The clock is the log's (entry ids, and the store's time when the log was read to its end), and silence
counts only while somebody looks: a monitor that was paused, is behind, or has just taken a shard over never
takes its own silence for the patients'.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from services.inference.alarms.alert import Alert, alarm_id
from services.inference.alarms.census import Census
from services.inference.alarms.commands import Action, Applied, Command, Outcome
from services.inference.alarms.judgement import Moment, announced, answer
from services.inference.alarms.roll import Roll
from services.inference.alarms.rules import TECHNICAL_PRIORITY, Rules, micros
from services.inference.alarms.slot import Finding, Slot, judge, move, not_beyond
from services.inference.alarms.terms import Cause, Kind, Phase, Priority, Trigger
from services.inference.alarms.together import Look, Tally, Together
from services.inference.alarms.watches import Watch, everybody, is_system, of_shard, of_source, subject
from shared.shards import SYSTEM_SHARD

_BACK = Finding(Priority.NONE, gone=True)


@dataclass(frozen=True, slots=True)
class Silence:
    """What a check found: alerts, and the patients whose stream is lost with how far *their* time has come."""

    alerts: tuple[Alert, ...]
    lost: tuple[tuple[bytes, int], ...]
    """For `AlarmWard.tick`: while nothing comes, escalation goes on by the clock."""


@dataclass(frozen=True, slots=True)
class Known:
    """A patient whom an earlier owner knew: session, how far the own time has come, whether admitted.

    ``heard``: whether a frame ever came; who was never heard is not missed.
    """

    name: bytes
    session: int
    sample_us: int
    watched: bool = True
    heard: bool = True


class Liveness:
    """The silence of one shard's patients. Not thread-safe.

    ``known``: their silence counts from the first check on. ``states``: what `changed` gave last for each key.
    The owner of `SYSTEM_SHARD` raises the alarms about sources, shards and everybody.
    """

    def __init__(
        self,
        rules: Rules,
        shard: int = SYSTEM_SHARD,
        known: Iterable[Known] = (),
        states: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        self._rules = rules
        self._shard = shard
        self._roll = Roll()
        self._looked_us: int | None = None
        self._steady_us = 0  # since when the clock has only gone forward, as far as looks tell
        self._watches: dict[bytes, Watch] = {}  # of those in alarm, refractory or disarmed
        self._changed: set[bytes] = set()
        self._census = Census()
        for one in known:
            if one.heard:
                self._roll.add(one.name, one.session, one.sample_us, one.watched)
            else:
                self._roll.watch(one.name, one.watched, 0)
        for key, state in states:
            self._keep(key, Watch.unpack(key, state))
        self._changed.clear()
        self._census.take()  # all this is committed and counted

    def reconfigure(self, rules: Rules) -> None:
        """Other rules from the next event on."""
        self._rules = rules

    def heard(
        self,
        patients: Sequence[bytes],
        session: npt.NDArray[np.uint64],
        sample_us: npt.NDArray[np.int64],
        at_us: npt.NDArray[np.int64],
    ) -> list[Alert]:
        """Frames came at ``at_us`` of the log, each up to ``sample_us`` of its patient's time: alarms end.

        A patient appears once. Frames older than an alarm (read again after a take-over) do not end it.
        """
        self._roll.hear(patients, session, sample_us, at_us)
        alerts: list[Alert] = []
        if self._watches:
            for name, at in zip(patients, at_us.tolist(), strict=True):
                watch = self._watches.get(name)
                if watch is not None and at >= self._began_us(watch.slot):
                    alerts += self._returned(name, at)
        return alerts

    def look(self, now_us: int) -> None:
        """The log has been read to its end at ``now_us``. To be called about once a second.

        Time that passed without a look (a third of ``stream_lost_s``, or all before the first) is given back to
        everybody. Nothing that was heard lies ahead of now: where the clock was set back, entry ids go on at the
        old time, and silence would count only when the clock has come there again.
        """
        if self._looked_us is None:
            self._steady_us = now_us
            self._roll.begin(now_us)
        elif now_us < self._looked_us:
            self._steady_us = now_us
            self._roll.set_back(self._looked_us - now_us, now_us)
        elif now_us - self._looked_us > self._lost_us // 3:
            self._roll.forgive(now_us - self._looked_us, now_us)
        self._looked_us = now_us
        self._roll.set_back(0, now_us)
        for key, watch in self._watches.items():
            slot = not_beyond(watch.slot, now_us, self._rules.courses[watch.slot.kind])
            if slot is not watch.slot:
                self._watches[key] = replace(watch, slot=slot)

    def tally(self) -> Tally:
        """This shard's patients by source, for `Together`."""
        return self._roll.tally(self._shard)

    def check(self, look: Look) -> Silence:
        """Who is silent, after `look` at the same moment; ``look.together`` is what all shards say."""
        roll, now_us, together = self._roll, look.now_us, look.together
        alerts = [alert for key in list(self._watches) for alert in self._judge(key, None, now_us)]
        silent = roll.silent(now_us - self._lost_us)
        spared = roll.nobody
        if silent.any() or roll.spared.any() or self._shard == SYSTEM_SHARD:
            if self._shard == SYSTEM_SHARD:
                alerts += self._of_many(together, now_us)
            spared = silent & together.spared(self._shard, roll.session)
            # Those with whom they were silent are back: who stays away has the full time again.
            roll.restart(roll.spared & ~spared, now_us)
            gathered_us = self._lost_us + micros(self._rules.settings.gather_s)
            alone = roll.silent(now_us - gathered_us) & roll.armed & ~spared
            if alone.any():
                # Not for ever: if the others cannot be heard of, silence alarms one by one. A shard that is taken
                # over meanwhile has the full time again, so it may last more than once that long.
                patience_us = gathered_us + 2 * self._lost_us
                alone &= ~together.undecided(self._shard, roll.session) | roll.silent(now_us - patience_us)
                for row in np.flatnonzero(alone).tolist():
                    alerts += self._judge(roll.names[row], _found(Kind.STREAM_LOST), now_us)
        roll.spared = spared
        return Silence(tuple(alerts), tuple(roll.times(silent, now_us)) if silent.any() else ())

    def command(self, command: Command, now_us: int) -> Applied:
        """What people do about it: acknowledge, end; standby and discharge stop the watch, admit resumes it."""
        if command.action in {Action.ADMIT, Action.STANDBY, Action.DISCHARGE}:
            self._roll.watch(command.name, command.action is Action.ADMIT, now_us)
            cause = Cause.STANDBY if command.action is Action.STANDBY else Cause.DISCHARGED
            return Applied(Outcome.APPLIED, tuple(self._leave(command, cause, now_us)))
        for key, watch in self._watches.items():
            if watch.slot.alarm.hex() == command.alarm and (is_system(key) or key == command.name):
                moment = self._moment(key, now_us, command)
                slot, applied = answer(watch.slot, moment, command.action, self._rules)
                if applied.outcome is Outcome.APPLIED:
                    self._keep(key, replace(watch, slot=slot))
                return applied
        return Applied(Outcome.NOT_ACTIVE)

    def forget(self, names: Iterable[bytes]) -> None:
        """Drop patients who were discharged."""
        for name in names:
            self._roll.remove(name)
            watch = self._watches.pop(name, None)
            if watch is not None:
                self._census.slot_stood(watch.slot, None)
                self._changed.add(name)

    def changed(self) -> dict[bytes, bytes | None]:
        """The state of every key that changed since the last call; None where nothing is to be kept."""
        states = {key: w.pack() if (w := self._watches.get(key)) else None for key in sorted(self._changed)}
        self._changed.clear()
        return states

    def census(self) -> Counter[str]:
        """By how much the number of active alarms changed since the last call, to be committed."""
        return self._census.take()

    def alarms(self) -> Iterator[tuple[bytes, Slot]]:
        """Every active alarm; a system alarm's patient is empty."""
        for key, watch in self._watches.items():
            if watch.slot.active:
                yield b"" if is_system(key) else key, watch.slot

    @property
    def _lost_us(self) -> int:
        return micros(self._rules.settings.stream_lost_s)

    def _began_us(self, slot: Slot) -> int:
        """When an alarm began; if that lies ahead, the clock was set back: then when it was, or was first read."""
        ahead = self._looked_us is not None and slot.began_us > self._looked_us
        return self._steady_us if ahead else slot.began_us

    def _of_many(self, together: Together, now_us: int) -> list[Alert]:
        """Sources, shards or everybody: who of them is back, and who is silent as a whole."""
        alerts: list[Alert] = []
        for key in [key for key, watch in self._watches.items() if is_system(key)]:
            about = subject(key)
            slot = self._watches[key].slot
            if slot.began_us > now_us and not together.complete:
                continue  # the clock was set back: some may still report times of before
            if together.back(self._began_us(slot), session=about.session, shard=about.shard):
                alerts += self._returned(key, now_us)
        quiet = [of_source(session) for session in together.quiet.tolist()]
        quiet += [of_shard(shard) for shard in together.quiet_shards.tolist()]
        quiet += [everybody()] if together.rest_quiet else []
        for key in quiet:
            alerts += self._judge(key, _found(Kind.SYSTEM_SILENT), now_us)
        return alerts

    def _returned(self, key: bytes, now_us: int) -> list[Alert]:
        alerts = self._judge(key, _BACK, now_us)
        watch = self._watches.get(key)
        if watch is not None:
            self._keep(key, replace(watch, armed=True))
        return alerts

    def _judge(self, key: bytes, finding: Finding | None, now_us: int) -> list[Alert]:
        kind = Kind.SYSTEM_SILENT if is_system(key) else Kind.STREAM_LOST
        watch = self._watches.get(key) or Watch(Slot(kind))
        if finding is not None and finding.level and not watch.armed:
            return []
        moment = self._moment(key, now_us)
        moves = judge(
            watch.slot,
            finding,
            now_us,
            self._rules.courses[kind],
            alarm_id(moment.about.encode() or key, moment.session, moment.window, now_us, kind),
        )
        if moves:
            began = moves[-1].slot.phase is Phase.RAISED
            self._keep(key, Watch(moves[-1].slot, watch.armed and not began))
        return announced(watch.slot, moves, moment, self._rules)

    def _leave(self, command: Command, cause: Cause, now_us: int) -> list[Alert]:
        watch = self._watches.get(command.name)
        if watch is None:
            return []
        moved = move(watch.slot, Trigger.LEAVE, cause, now_us, self._rules.courses[Kind.STREAM_LOST])
        self._keep(command.name, Watch(Slot(Kind.STREAM_LOST)))
        moment = self._moment(command.name, now_us, command)
        return announced(watch.slot, [moved], moment, self._rules) if moved is not None else []

    def _moment(self, key: bytes, now_us: int, command: Command | None = None) -> Moment:
        about = subject(key) if is_system(key) else None
        mark = f"@{now_us}" if about is None else f"@{now_us}{about.label}"
        return Moment(
            patient=b"" if about else key,
            session=(about.session or 0) if about else self._roll.session_of(key),
            window=-1,
            now_us=now_us,
            smoothed=(),
            mark=mark if command is None else command.id,
            who=command.who if command else "",
            why=command.why if command else "",
            command=command.id if command else "",
            about=about.label if about else "",
            clock=True,
        )

    def _keep(self, key: bytes, watch: Watch) -> None:
        before = self._watches.get(key)
        self._census.slot_stood(before.slot if before is not None else None, watch.slot)
        if watch.armed and watch.slot.phase is Phase.IDLE:
            self._watches.pop(key, None)
        else:
            self._watches[key] = watch
        if not is_system(key):
            self._roll.arm(key, watch.armed)
        self._changed.add(key)


def _found(kind: Kind) -> Finding:
    return Finding(TECHNICAL_PRIORITY[kind], gone=False)
