"""The memory of one shard, and the way of what was read through it: entries to windows to scores to facts.

Pure: what it holds follows from what was committed (`Snapshot`) and what was read since. It is
thrown away whenever the two might differ.
"""

import base64
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from services.inference import alarms
from services.inference.alarms import Action, AlarmWard, Command, CommandError
from services.inference.commit.facts import Alert, DeadLetter, Facts, Kind
from services.inference.commit.reader import Pulled
from services.inference.commit.store import Snapshot
from services.inference.engine import Scored
from services.inference.monitor.counting import windows_counted
from services.inference.monitor.decoding import Decoded
from services.inference.monitor.latest import latest
from services.inference.monitor.roster import Roster
from services.inference.monitor.trend import trend
from services.inference.windows import Cutter, Outcome, Rules, Step
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


class Shard:
    """What an owner knows of its shard. Not thread-safe."""

    def __init__(self, number: int, rules: ShardRules, snapshot: Snapshot) -> None:
        self._number = number
        self._rules = rules
        marks, states, parked = (snapshot.patients[kind] for kind in (Kind.MARK, Kind.STATE, Kind.PARKED))
        self._command = snapshot.position.command
        self._cutter = Cutter(
            rules.windows,
            snapshot.position,
            ((name, mark, parked.get(name)) for name, mark in marks.items()),
        )
        self._alarms = AlarmWard(rules.alarms, states.items())
        self._roster = Roster(snapshot.patients[Kind.ROSTER])

    def __len__(self) -> int:
        """Patients known."""
        return len(self._cutter)

    def reconfigure(self, rules: ShardRules) -> None:
        """Other alarm rules from the next window on; window rules hold until the shard is loaded again."""
        self._rules = rules
        self._alarms.reconfigure(rules.alarms)

    def place(self, decoded: Decoded) -> Placed:
        """Cut windows from what was read; refused frames that somebody must see become dead letters."""
        dead = list(decoded.dead)
        step = self._cutter.step(decoded.entries)
        for reason, headers in step.refused:
            if reason in LETTERS:
                dead.append(DeadLetter(reason, step.offset, headers.tobytes()))
        return Placed(self._number, decoded.pulled, step, tuple(dead))

    def conclude(self, placed: Placed, scored: Scored, model: str) -> Facts:
        """Judge the windows that ``model`` scored and apply commands: everything that one commit makes last."""
        step = placed.step
        windows = step.cut.windows
        said = self._alarms.apply(_evidence(windows, scored), model)
        rows = {
            (bytes(w["patient"]), int(w["session"]), int(w["window"])): i for i, w in enumerate(windows)
        } if said else {}  # fmt: skip
        alerts = [Alert(alert.id, _body(alert, rows, scored)) for alert in said]
        audit: list[bytes] = []
        counters: Counter[str] = Counter()
        for command in placed.pulled.commands:
            outcome = self._obey(command.id, command.fields, model, alerts, audit)
            counters[f"commands|{outcome}"] += 1
            self._command = command.id
        counters.update(windows_counted(windows, scored))
        counters.update({f"facts|{name}": amount for name, amount in step.facts.items()})
        counters.update(f"dead_letters|{letter.reason}" for letter in placed.dead)
        counters.update(f"alerts|{a.kind}|{a.type}|{a.priority}|{a.transition}" for a in said)
        return Facts(
            offset=step.offset,
            rewind=step.rewind,
            command=self._command,
            patients={
                Kind.MARK: step.marks,
                Kind.PARKED: step.parked,
                Kind.STATE: self._alarms.changed(),
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

    def _obey(
        self, entry: str, fields: Mapping[str, str], model: str, alerts: list[Alert], audit: list[bytes]
    ) -> str:
        try:
            command = Command.from_json(entry, fields.get(COMMAND_FIELD, "").encode())
        except CommandError as error:
            audit.append(_audited(entry, {}, "malformed", str(error)))
            return "malformed"
        if command.action is Action.DEVICE:
            applied = self._roster.command(command, self._alarms.standing(command.name))
        else:
            applied = self._alarms.command(command, model)
        alerts += [Alert(alert.id, alert.to_json()) for alert in applied.alerts]
        audit.append(_audited(entry, json.loads(command.to_json()), applied.outcome.value, ""))
        return applied.outcome.value


def _audited(entry: str, command: dict[str, Any], outcome: str, error: str) -> bytes:
    said = {"command": entry, **command, "outcome": outcome} | ({"error": error} if error else {})
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()


def _evidence(windows: np.ndarray[Any, np.dtype[np.void]], scored: Scored) -> alarms.Scored:
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
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
