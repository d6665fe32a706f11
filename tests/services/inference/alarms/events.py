"""Windows, commands and passing time as values, and what plays them to a ward."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.inference.alarms import Action, AlarmWard, Alert, Applied, Command, Rules, Scored
from shared.labels import SCORE_NAMES
from shared.quality import Reason
from shared.sections import AlarmSettings

START_US = 1_700_000_000_000_000
NOBODY = "0" * 32


@dataclass(frozen=True)
class Window:
    """A window that ends ``after_s`` after the patient's last; ``signal``: good, lead_off, poor or empty."""

    mi: float = 0.0
    type: str = "IMI"
    likely: float = 0.6
    second: str = ""
    signal: str = "good"
    after_s: float = 5.0
    patient: str = "ada"
    anew: bool = False


@dataclass(frozen=True)
class Ask:
    """A command; ``alarm`` counts back from the newest alarm that began."""

    action: Action
    patient: str = "ada"
    alarm: int = 0
    types: tuple[str, ...] = ()
    ceiling: str = ""
    for_s: float | None = None


@dataclass(frozen=True)
class Tick:
    """Time passes without a window."""

    after_s: float
    patient: str = "ada"


Event = Window | Ask | Tick


@dataclass
class Place:
    """Where a patient's windows have come to."""

    session: int = 1
    window: int = -1
    end_us: int = START_US


def small_rules(**changes: object) -> Rules:
    """Rules under which little is enough: one of two windows, no smoothing."""
    quick: dict[str, object] = {
        "smoothing": 1.0,
        "on_windows": 1,
        "of_windows": 2,
        "off_windows": 2,
        "technical_windows": 1,
        "technical_of_windows": 2,
        "escalate_after_s": 20.0,
        "refractory_s": 30.0,
        "technical_refractory_s": 10.0,
    }
    return Rules.of(AlarmSettings.model_validate(quick | changes))


def scores(event: Window) -> list[float]:
    row = [0.01] * len(SCORE_NAMES)
    row[SCORE_NAMES.index(event.type)] = event.likely
    if event.second:
        row[SCORE_NAMES.index(event.second)] = event.likely - 0.05
    row[-1] = event.mi
    return row


REASONS = {"good": 0, "lead_off": Reason.LEAD_OFF | Reason.FLAT, "poor": Reason.BASELINE, "empty": Reason.MISSING}


@dataclass
class Player:
    """Plays events to a ward, remembering what was said. ``ward`` may be replaced at any time."""

    ward: AlarmWard
    places: dict[str, Place] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    answers: list[Applied] = field(default_factory=list)

    def scored(self, windows: Sequence[Window]) -> Scored:
        """The next windows as a batch."""
        n = len(windows)
        session, number, end_us = np.zeros(n, np.uint64), np.zeros(n, np.int64), np.zeros(n, np.int64)
        for i, event in enumerate(windows):
            place = self.places.setdefault(event.patient, Place())
            if event.anew:
                place.session, place.window = place.session + 1, -1
            place.window += 1
            place.end_us += round(event.after_s * 1e6)
            session[i], number[i], end_us[i] = place.session, place.window, place.end_us
        signal = np.array([event.signal for event in windows], "U8")
        return Scored(
            np.array([event.patient.encode() for event in windows], "S32"),
            session,
            number,
            end_us,
            signal == "empty",
            signal == "good",
            np.array([REASONS[event.signal] for event in windows], np.uint16),
            np.select([signal == "good", signal == "empty"], [0.9, np.nan], 0.2).astype(np.float32),
            np.array([scores(event) for event in windows], np.float32).reshape(n, len(SCORE_NAMES)),
        )

    def windows(self, *windows: Window) -> list[Alert]:
        """Play windows as one batch and give the alerts of these."""
        said = self.ward.apply(self.scored(windows), "m-1")
        self.alerts += said
        return said

    def ask(self, event: Ask) -> Applied:
        """Play a command."""
        began = [alert.alarm for alert in self.alerts if alert.transition == "began"]
        alarm = began[-1 - event.alarm] if event.alarm < len(began) else NOBODY
        command = Command(
            f"{len(self.answers)}-1",
            event.action,
            event.patient,
            "nurse",
            "because",
            START_US,
            alarm,
            event.types,
            event.ceiling,
            event.for_s,
        )
        applied = self.ward.command(command)
        self.answers.append(applied)
        self.alerts += applied.alerts
        return applied

    def tick(self, event: Tick) -> list[Alert]:
        """Play passing time."""
        place = self.places.get(event.patient, Place())
        said = self.ward.tick([(event.patient.encode(), place.end_us + round(event.after_s * 1e6))])
        self.alerts += said
        return said

    def play(self, events: Iterable[Event], cuts: Iterable[int] = ()) -> "Player":
        """All events in order; windows side by side make one batch except at ``cuts``."""
        cut, waiting = set(cuts), list[Window]()
        for i, event in enumerate(events):
            if waiting and (i in cut or not isinstance(event, Window)):
                self.windows(*waiting)
                waiting.clear()
            match event:
                case Window():
                    waiting.append(event)
                case Ask():
                    self.ask(event)
                case Tick():
                    self.tick(event)
        if waiting:
            self.windows(*waiting)
        return self


def player(**rules: object) -> Player:
    """A player before an empty ward under `small_rules`."""
    return Player(AlarmWard(small_rules(**rules)))


def told(alerts: Iterable[Alert]) -> list[tuple[str, str, str]]:
    """(kind, transition, priority) of each alert."""
    return [(alert.kind, alert.transition, alert.priority) for alert in alerts]
