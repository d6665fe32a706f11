"""The memory of one shard, and the way of what was read through it: entries to windows to scores to facts.

Pure: what it holds follows from what was committed (`Snapshot`) and what was read since. It is
thrown away whenever the two might differ.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Self

import numpy as np

from services.inference import alarms
from services.inference.alarms import Action, AlarmWard, Applied, Command, CommandError, Known, Liveness, Status
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
from services.inference.monitor.trend import trend
from services.inference.windows import Cutter, Outcome, Rules, Step
from shared.position import parse_id
from shared.settings import Settings

# Refused frames of these reasons are a sender's fault that somebody must see; the others are everyday life.
LETTERS = frozenset({"wrong_lead", "future_start", "rate_changed", "index"})
STRIP_UV = 1.0
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


class Shard:
    """What an owner knows of its shard. Not thread-safe."""

    def __init__(self, number: int, rules: ShardRules, snapshot: Snapshot) -> None:
        self._number = number
        self._rules = rules
        marks, states, parked, silence = (
            snapshot.patients[kind] for kind in (Kind.MARK, Kind.STATE, Kind.PARKED, Kind.SILENCE)
        )
        position = snapshot.position
        self._offset, self._rewind, self._command = position.offset, position.rewind, position.command
        self._cutter = Cutter(
            rules.windows,
            position,
            ((name, mark, parked.get(name)) for name, mark in marks.items()),
        )
        self._alarms = AlarmWard(rules.alarms, states.items())
        self._alarms.renumber(self._cutter.renumbered)
        self._liveness = Liveness(rules.alarms, number, self._known(states), silence.items())
        self._roster = Roster(snapshot.patients[Kind.ROSTER])

    def __len__(self) -> int:
        """Patients known."""
        return len(self._cutter)

    def slots(self) -> Iterator[Slot]:
        """Every active alarm, whoever's."""
        return (slot for _, slot in chain(self._alarms.alarms(), self._liveness.alarms()))

    def reconfigure(self, rules: ShardRules) -> None:
        """Other alarm rules from the next window on; window rules hold until the shard is loaded again."""
        self._rules = rules
        self._alarms.reconfigure(rules.alarms)
        self._liveness.reconfigure(rules.alarms)

    def tally(self, now_us: int | None) -> Tally:
        """Who is heard, by source, for `Lookout`. ``now_us``: the log has been read to its end, at that moment."""
        if now_us is not None:
            self._liveness.look(now_us)
        return self._liveness.tally()

    def place(self, decoded: Decoded) -> Placed:
        """Cut windows from what was read; refused frames that somebody must see become dead letters."""
        dead = list(decoded.dead)
        step = self._cutter.step(decoded.entries)
        for reason, headers in step.refused:
            if reason in LETTERS:
                dead.append(DeadLetter(reason, step.offset, headers.tobytes()))
        heard = step.heard
        returned = self._liveness.heard(heard.patient, heard.session, heard.sample_us, heard.at_us)
        return Placed(self._number, decoded.pulled, step, tuple(dead), tuple(returned))

    def conclude(
        self,
        placed: Placed,
        scored: Scored,
        model: str,
        *,
        look: Look | None = None,
        elapsed: Sequence[Elapsed] = (),
    ) -> Facts:
        """Judge the windows that ``model`` scored and apply commands: everything that one commit makes last.

        ``look``: who is silent is looked for, too. ``elapsed``: what a live monitor's looks came to between
        windows, for an offline run, which has none.
        """
        step = placed.step
        windows = step.cut.windows
        said = self._judge(evidence(windows, scored), model, elapsed) if len(windows) or elapsed else []
        rows = {
            (bytes(w["patient"]), int(w["session"]), int(w["window"])): i for i, w in enumerate(windows)
        } if said else {}  # fmt: skip
        alerts = [Alert(alert.id, _body(alert, rows, scored)) for alert in said]
        audit: list[bytes] = []
        counters: Counter[str] = Counter()
        by_people: list[alarms.Alert] = []
        for command in placed.pulled.commands:
            outcome = self._obey(command.id, command.fields, model, by_people, audit)
            counters[f"commands|{outcome}"] += 1
            self._command = command.id
        by_clock = [*placed.returned, *(self._look(look, model) if look is not None else ())]
        alerts += [Alert(alert.id, _plain(alert)) for alert in (*by_people, *by_clock)]
        counters.update(windows_counted(windows, scored))
        counters.update(self._counted((*said, *by_people, *by_clock)))
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
                Kind.STATE: self._alarms.changed(),
                Kind.SILENCE: self._liveness.changed(),
                Kind.ROSTER: self._roster.changed(),
                Kind.LATEST: latest(windows, scored),
            },
            counters=counters,
            alerts=alerts,
            audit=audit,
            dead=placed.dead,
            trend=trend(
                windows,
                scored,
                stride_us=self._rules.windows.stride_us,
                every_us=self._rules.trend_us,
            ),
        )

    def silence(self, look: Look, model: str) -> Facts | None:
        """A look at a shard of which nothing came: what is to be committed, if anything."""
        alerts = self._look(look, model)
        states, silence = self._alarms.changed(), self._liveness.changed()
        if not alerts and not states and not silence:
            return None
        return Facts(
            offset=self._offset,
            rewind=self._rewind,
            command=self._command,
            patients={Kind.STATE: states, Kind.SILENCE: silence},
            counters=self._counted(alerts),
            alerts=[Alert(alert.id, _plain(alert)) for alert in alerts],
        )

    def _counted(self, said: Iterable[alarms.Alert]) -> Counter[str]:
        """These alerts, and by how much the numbers of patients and active alarms have changed with them."""
        counted = Counter(map(alert_counted, said))
        counted.update(self._alarms.census())
        counted.update(self._liveness.census())
        return counted

    def _known(self, states: Mapping[bytes, bytes]) -> Iterator[Known]:
        """Everybody whose silence would count, and those who are known but were never heard."""
        heard, ward = self._cutter.known(), self._alarms
        names = set(heard.patient)
        for name, session, sample_us in zip(
            heard.patient, heard.session.tolist(), heard.sample_us.tolist(), strict=True
        ):
            yield Known(name, session, max(sample_us, ward.now_us(name)), _watched(ward, name))
        for name in states.keys() - names:
            yield Known(name, 0, 0, _watched(ward, name), heard=False)

    def _judge(self, windows: alarms.Scored, model: str, elapsed: Sequence[Elapsed]) -> list[alarms.Alert]:
        if not elapsed:
            return self._alarms.apply(windows, model)
        said: list[alarms.Alert] = []
        for rows, times in rounds(windows, elapsed):
            said += self._alarms.apply(windows[rows], model)
            said += self._alarms.tick(times, model)
        return said

    def _look(self, look: Look, model: str) -> list[alarms.Alert]:
        silence = self._liveness.check(look)
        return [*silence.alerts, *self._alarms.tick(silence.lost, model)]

    def _obey(
        self, entry: str, fields: Mapping[str, str], model: str, alerts: list[alarms.Alert], audit: list[bytes]
    ) -> str:
        try:
            command = Command.from_json(entry, fields.get(COMMAND_FIELD, "").encode())
        except CommandError as error:
            audit.append(_audited(entry, {}, "malformed", str(error)))
            return "malformed"
        applied = self._apply(command, model)
        alerts += applied.alerts
        audit.append(_audited(entry, json.loads(command.to_json()), applied.outcome.value, ""))
        return applied.outcome.value

    def _apply(self, command: Command, model: str) -> Applied:
        """Ask the patient's own alarms first, then those about silence; the roster about a device."""
        if command.action is Action.DEVICE:
            return self._roster.command(command, self._alarms.standing(command.name))
        applied = self._alarms.command(command, model)
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


def _plain(alert: alarms.Alert) -> bytes:
    """An alert that no window raised, as it is kept: the time has no strip."""
    return _json(alert.to_dict() | {"strip": None})


def _audited(entry: str, command: dict[str, Any], outcome: str, error: str) -> bytes:
    said = {"command": entry, **command, "outcome": outcome} | ({"error": error} if error else {})
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()


def evidence(windows: np.ndarray[Any, np.dtype[np.void]], scored: Scored) -> alarms.Scored:
    """Scored windows as the alarms take them; a run of empty windows is one row, with the last one's number."""
    return alarms.Scored(
        patient=windows["patient"],
        session=windows["session"],
        window=windows["window"] + windows["windows"] - 1,
        end_us=windows["end_us"],
        empty=_empty(windows),
        assessable=scored.assessed,
        reasons=scored.reasons,
        quality=scored.quality,
        scores=scored.probabilities,
    )


def _empty(windows: np.ndarray[Any, np.dtype[np.void]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    seconds = windows["missing"].astype(np.float64) * 1000 / windows["rate_mhz"]
    empty: np.ndarray[Any, np.dtype[np.bool_]] = (windows["outcome"] == Outcome.UNASSESSABLE) & (
        (windows["windows"] > 1) | (seconds >= 10.0)
    )
    return empty


def _body(alert: alarms.Alert, rows: Mapping[tuple[bytes, int, int], int], scored: Scored) -> bytes:
    """An alert as it is kept: with the ten seconds that raised it, as int16 microvolts in base64."""
    said = alert.to_dict()
    row = rows.get((alert.patient.encode(), alert.session, alert.window))
    if alert.strip and row is not None and np.isfinite(scored.strips[row, 0]):
        counts = np.clip(np.rint(scored.strips[row] * (1000 / STRIP_UV)), -32768, 32767).astype("<i2")
        said["strip"] = {
            "rate_hz": 100,
            "uv_per_lsb": STRIP_UV,
            "int16": base64.b64encode(counts.tobytes()).decode(),
        }
    else:
        said["strip"] = None
    return _json(said)


def _json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
