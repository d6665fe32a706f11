"""The memory of one shard, and the way of what was read through it: entries to windows to scores to facts.

Pure: what it holds follows from what was committed (`Snapshot`) and what was read since. It is
thrown away whenever the two might differ.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from types import MappingProxyType
from typing import Self

from services.inference import alarms
from services.inference.alarms import (
    Action,
    AlarmWard,
    Applied,
    Beds,
    Command,
    CommandError,
    Known,
    Liveness,
    Status,
    apply_together,
)
from services.inference.alarms.slot import Slot
from services.inference.alarms.together import Look, Tally
from services.inference.commit.facts import Alert, DeadLetter, Facts, Kind
from services.inference.commit.reader import Pulled
from services.inference.commit.store import Snapshot
from services.inference.engine import Scored
from services.inference.monitor.counting import alert_counted, windows_counted
from services.inference.monitor.decoding import Decoded
from services.inference.monitor.elapsed import Elapsed, rounds
from services.inference.monitor.latest import latest
from services.inference.monitor.roster import Roster
from services.inference.monitor.saying import audited, bodies, evidence, places, plain
from services.inference.monitor.trend import trend
from services.inference.windows import Cutter, Rules, Step, Ward, cut_together
from shared.frames import LEADS
from shared.position import parse_id
from shared.settings import Settings

# Refused frames of these reasons are a sender's fault that somebody must see; the others are everyday life.
LETTERS = frozenset({"wrong_lead", "future_start", "rate_changed", "index"})
COMMAND_FIELD = "body"


@dataclass(frozen=True, slots=True)
class ShardRules:
    """What decides over windows and alarms, ready to use."""

    windows: Rules
    alarms: alarms.Rules
    most_bytes: int
    trend_us: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The rules of validated settings."""
        return cls(
            Rules.of(settings.window),
            alarms.Rules.of(settings.alarm),
            settings.stream.max_entry_bytes,
            round(settings.monitor.trend_every_s * 1e6),
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """One shard's part of a step, placed but not yet scored."""

    shard: int
    pulled: Pulled
    step: Step
    dead: tuple[DeadLetter, ...]
    returned: tuple[alarms.Alert, ...]
    """Of patients who were silent and were heard again."""


@dataclass(frozen=True, eq=False, slots=True)
class Room:
    """Where the patients of a replica's shards lie side by side, so that a step takes them together."""

    windows: Ward
    alarms: Beds

    @classmethod
    def of(cls, rules: ShardRules) -> Self:
        """An empty one, for shards of these window rules."""
        return cls(Ward(rules.windows), Beds())


@dataclass(frozen=True, eq=False, slots=True)
class Judged:
    """What the windows of one shard's step led to. ``counted`` is for whoever counts on."""

    said: Sequence[alarms.Alert]
    bodies: Sequence[bytes]
    counted: Counter[str]
    latest: Mapping[bytes, bytes]
    trend: Mapping[bytes, bytes]


class Shard:
    """What an owner knows of its shard. Not thread-safe. ``room``: the replica's; without one it has its own."""

    def __init__(self, number: int, rules: ShardRules, snapshot: Snapshot, room: Room | None = None) -> None:
        self.room = room = Room.of(rules) if room is None else room
        self._number = number
        self.rules = rules
        marks, states, parked, silence = (
            snapshot.patients[kind] for kind in (Kind.MARK, Kind.STATE, Kind.PARKED, Kind.SILENCE)
        )
        position = snapshot.position
        self._offset, self._rewind, self._command = position.offset, position.rewind, position.command
        self.cutter = Cutter(
            rules.windows,
            position,
            ((name, mark, parked.get(name)) for name, mark in marks.items()),
            room.windows,
        )
        self.alarms = AlarmWard(rules.alarms, states.items(), room.alarms)
        self.alarms.renumber(self.cutter.renumbered)
        self._liveness = Liveness(rules.alarms, number, self._known(states), silence.items())
        self._roster = Roster(snapshot.patients[Kind.ROSTER])

    def __len__(self) -> int:
        """Patients known."""
        return len(self.cutter)

    def slots(self) -> Iterator[Slot]:
        """Every active alarm, whoever's."""
        return (slot for _, slot in chain(self.alarms.alarms(), self._liveness.alarms()))

    def reconfigure(self, rules: ShardRules) -> None:
        """Other alarm rules from the next window on; window rules hold until the shard is loaded again."""
        self.rules = rules
        self.alarms.reconfigure(rules.alarms)
        self._liveness.reconfigure(rules.alarms)

    def tally(self, now_us: int | None) -> Tally:
        """Who is heard, by source, for `Lookout`. ``now_us``: the log has been read to its end, at that moment."""
        if now_us is not None:
            self._liveness.look(now_us)
        return self._liveness.tally()

    def close(self) -> None:
        """Leave the room; the shard's memory is of no use any more."""
        self.cutter.close()
        self.alarms.close()

    def place(self, decoded: Decoded) -> Placed:
        """`place_together` of this shard alone."""
        (placed,) = place_together([(self, decoded)])
        return placed

    def conclude(self, placed: Placed, scored: Scored, model: str, *, elapsed: Sequence[Elapsed] = ()) -> Facts:
        """`conclude_together` of this shard alone.

        ``elapsed``: what a live monitor's looks came to between windows, for an offline run, which has none.
        """
        (facts,) = conclude_together([(self, placed)], scored, model, elapsed=elapsed)
        return facts

    def placed(self, decoded: Decoded, step: Step) -> Placed:
        """What was read and led to this step; frames of the silent are noted."""
        dead = list(decoded.dead)
        for reason, headers in step.refused:
            if reason in LETTERS:
                dead.append(DeadLetter(reason, step.offset, headers.tobytes()))
        heard = step.heard
        returned = self._liveness.heard(heard.patient, heard.session, heard.sample_us, heard.at_us)
        return Placed(self._number, decoded.pulled, step, tuple(dead), tuple(returned))

    def facts(self, placed: Placed, judged: Judged, model: str, look: Look | None) -> Facts:
        """What the step makes last, commands and looks included."""
        step, said = placed.step, judged.said
        alerts = [Alert(alert.id, body) for alert, body in zip(said, judged.bodies, strict=True)]
        audit: list[bytes] = []
        counters = judged.counted
        by_people: list[alarms.Alert] = []
        for command in placed.pulled.commands:
            outcome = self._obey(command.id, command.fields, model, by_people, audit)
            counters[f"commands|{outcome}"] += 1
            self._command = command.id
        by_clock = [*placed.returned, *(self._look(look, model) if look is not None else ())]
        alerts += [Alert(alert.id, plain(alert)) for alert in (*by_people, *by_clock)]
        for name, amount in self._counted((*said, *by_people, *by_clock)).items():
            counters[name] += amount
        for name, amount in step.facts.items():
            counters[f"facts|{name}"] += amount
        for letter in placed.dead:
            counters[f"dead_letters|{letter.reason}"] += 1
        self._offset, self._rewind = step.offset, step.rewind
        return Facts(
            offset=step.offset,
            rewind=step.rewind,
            command=self._command,
            patients={
                Kind.MARK: step.marks,
                Kind.PARKED: step.parked,
                Kind.STATE: self.alarms.changed(),
                Kind.SILENCE: self._liveness.changed(),
                Kind.ROSTER: self._roster.changed(),
                Kind.LATEST: judged.latest,
            },
            counters=counters,
            alerts=alerts,
            audit=audit,
            dead=placed.dead,
            trend=judged.trend,
        )

    def silence(self, look: Look, model: str) -> Facts | None:
        """A look at a shard of which nothing came: what is to be committed, if anything."""
        alerts = self._look(look, model)
        states, silence = self.alarms.changed(), self._liveness.changed()
        if not alerts and not states and not silence:
            return None
        return Facts(
            offset=self._offset,
            rewind=self._rewind,
            command=self._command,
            patients={Kind.STATE: states, Kind.SILENCE: silence},
            counters=self._counted(alerts),
            alerts=[Alert(alert.id, plain(alert)) for alert in alerts],
        )

    def _counted(self, said: Iterable[alarms.Alert]) -> Counter[str]:
        """These alerts, and by how much the numbers of patients and active alarms have changed with them."""
        counted = self.alarms.census()
        for name, change in self._liveness.census().items():
            counted[name] += change
        for alert in said:
            counted[alert_counted(alert)] += 1
        return counted

    def _known(self, states: Mapping[bytes, bytes]) -> Iterator[Known]:
        """Everybody whose silence would count, and those who are known but were never heard."""
        heard, ward = self.cutter.known(), self.alarms
        names = set(heard.patient)
        for name, session, sample_us in zip(
            heard.patient, heard.session.tolist(), heard.sample_us.tolist(), strict=True
        ):
            yield Known(name, session, max(sample_us, ward.now_us(name)), _watched(ward, name))
        for name in states.keys() - names:
            yield Known(name, 0, 0, _watched(ward, name), heard=False)

    def _look(self, look: Look, model: str) -> list[alarms.Alert]:
        silence = self._liveness.check(look)
        return [*silence.alerts, *self.alarms.tick(silence.lost, model)]

    def _obey(
        self, entry: str, fields: Mapping[str, str], model: str, alerts: list[alarms.Alert], audit: list[bytes]
    ) -> str:
        try:
            command = Command.from_json(entry, fields.get(COMMAND_FIELD, "").encode())
        except CommandError as error:
            audit.append(audited(entry, {}, "malformed", str(error)))
            return "malformed"
        applied = self._apply(command, model)
        alerts += applied.alerts
        audit.append(audited(entry, json.loads(command.to_json()), applied.outcome.value, ""))
        return applied.outcome.value

    def _apply(self, command: Command, model: str) -> Applied:
        """Ask the patient's own alarms first, then those about silence; the roster about a device."""
        if command.action is Action.DEVICE:
            return self._roster.command(command, self.alarms.standing(command.name))
        applied = self.alarms.command(command, model)
        now_us = parse_id(command.id)[0] * 1000  # stamped by the store, whose clock silence runs on
        if command.action in {Action.ACKNOWLEDGE, Action.END}:
            if applied.outcome in {alarms.Outcome.NOT_ACTIVE, alarms.Outcome.UNKNOWN_PATIENT}:
                about_silence = self._liveness.command(command, now_us)
                if about_silence.outcome is not alarms.Outcome.NOT_ACTIVE:
                    return about_silence
        elif command.action in _MOVES and applied.outcome is alarms.Outcome.APPLIED:
            about_silence = self._liveness.command(command, now_us)
            return replace(applied, alerts=(*applied.alerts, *about_silence.alerts))
        return applied


_MOVES = frozenset({Action.ADMIT, Action.STANDBY, Action.DISCHARGE})


def _watched(ward: AlarmWard, name: bytes) -> bool:
    standing = ward.standing(name)
    return standing is None or standing.status is Status.ADMITTED


def place_together(came: Sequence[tuple[Shard, Decoded]]) -> list[Placed]:
    """Cut windows from what was read of shards in one room; refused frames that somebody must see are letters."""
    steps = cut_together([(shard.cutter, read.entries) for shard, read in came])
    return [shard.placed(read, step) for (shard, read), step in zip(came, steps, strict=True)]


def conclude_together(
    came: Sequence[tuple[Shard, Placed]],
    scored: Scored,
    model: str,
    *,
    looks: Mapping[int, Look] = MappingProxyType({}),
    elapsed: Sequence[Elapsed] = (),
) -> list[Facts]:
    """Judge the windows that ``model`` scored and apply commands: of each shard all that one commit makes last.

    The shards were placed together, ``scored`` has a row for each window of that step; a shard that was lost since
    is left out. ``looks``: where who is silent is looked for, too. ``elapsed``: see `Shard.conclude`.
    """
    if not came:
        return []
    windows, rules = came[0][1].step.cut.windows, came[0][0].rules
    lead = LEADS[rules.windows.lead]
    parts = [placed.step.rows for _, placed in came]
    wards = [(shard.alarms, rows) for (shard, _), rows in zip(came, parts, strict=True)]
    seen = evidence(windows, scored)
    said = [_with_time(wards[0][0], seen, model, elapsed)] if elapsed else apply_together(wards, seen, model)
    counted = windows_counted(windows, scored, parts)
    newest = latest(windows, scored, parts)
    points = trend(windows, scored, parts, stride_us=rules.windows.stride_us, every_us=rules.trend_us)
    told = bodies(said, [places(windows, parts[i]) if said[i] else {} for i in range(len(said))], scored, lead)
    facts = []
    for i, (shard, placed) in enumerate(came):
        judged = Judged(said[i], told[i], counted[i], newest[i], points[i])
        facts.append(shard.facts(placed, judged, model, looks.get(placed.shard)))
    return facts


def _with_time(
    ward: AlarmWard, windows: alarms.Scored, model: str, elapsed: Sequence[Elapsed]
) -> list[alarms.Alert]:
    said: list[alarms.Alert] = []
    for rows, times in rounds(windows, elapsed):
        said += ward.apply(windows[rows], model)
        said += ward.tick(times, model)
    return said
