"""What people ask of the owner of a patient's alarms, as it travels in the command stream, and what came of it."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from services.inference.alarms.alert import Alert
from services.inference.alarms.location import EVERY_TYPE
from services.inference.alarms.terms import Priority
from shared.errors import SelfmisError
from shared.frames import FrameError, patient_bytes
from shared.labels import SCORE_NAMES

MAX_TEXT = 500
MAX_DEVICE = 64
MAX_MUTE_S = 1e8


class CommandError(SelfmisError):
    """A command that means nothing."""


class Action(StrEnum):
    """What is asked."""

    ACKNOWLEDGE = "acknowledge"
    END = "end"
    MUTE = "mute"
    UNMUTE = "unmute"
    ADMIT = "admit"
    STANDBY = "standby"
    DISCHARGE = "discharge"
    DEVICE = "device"


class Outcome(StrEnum):
    """What came of a command. All but ``APPLIED`` changed nothing."""

    APPLIED = "applied"
    ALREADY = "already"
    """It is so already: acknowledged, admitted …"""
    NOT_ACTIVE = "not_active"
    """No such alarm is active: it has ended, or never was."""
    UNKNOWN_PATIENT = "unknown_patient"


@dataclass(frozen=True, slots=True)
class Command:
    """One command. ``id`` is unique and lasts (the id of its entry in the command stream).

    ``alarm`` names the alarm to acknowledge or end; a system alarm has no patient. A mute may name ``types`` (of
    `SCORE_NAMES`; empty: those of the alarm in force, or all if there is none), a ``ceiling`` up to which it holds
    (empty: what the alarm in force has reached, or medium) and for how long (None: until unmuted). ``device``: the
    one that a patient is given (empty: none). Refuses what is malformed (`CommandError`, `FrameError`).
    """

    id: str
    action: Action
    patient: str
    who: str
    why: str = ""
    time_us: int = 0
    alarm: str = ""
    types: tuple[str, ...] = ()
    ceiling: str = ""
    for_s: float | None = None
    device: str = ""

    def __post_init__(self) -> None:
        if self.patient or self.action not in {Action.ACKNOWLEDGE, Action.END}:
            patient_bytes(self.patient)
        if not self.id or not self.who.strip():
            raise CommandError(f"{self.action.value}: needs an id and who asks for it")
        if max(len(self.id), len(self.who), len(self.why)) > MAX_TEXT:
            raise CommandError(f"{self.action.value}: id, who and why may have {MAX_TEXT} characters each")
        texts = self.id + self.who + self.why + self.alarm + self.device
        if any("\ud800" <= letter <= "\udfff" for letter in texts):
            raise CommandError(f"{self.action.value}: half a character (a lone surrogate) is no text")
        if self.action in {Action.ACKNOWLEDGE, Action.END} and not is_alarm(self.alarm):
            raise CommandError(f"{self.action.value}: alarm must be the 32 hexadecimal digits of an alarm's id")
        unknown = [name for name in self.types if name not in SCORE_NAMES]
        if unknown:
            raise CommandError(f"mute: unknown type {unknown[0]!r:.40}; known are {', '.join(SCORE_NAMES)}")
        if self.ceiling and self.ceiling not in CEILINGS:
            raise CommandError(f"mute: ceiling must be one of {', '.join(CEILINGS)}")
        if len(self.device) > MAX_DEVICE or not (self.device.isprintable() or not self.device):
            raise CommandError(f"device: a device's name may have {MAX_DEVICE} printable characters")
        if self.for_s is not None and not 0 < self.for_s <= MAX_MUTE_S:
            raise CommandError(f"mute: for_s must be above 0 and at most {MAX_MUTE_S:.0f}")

    @property
    def name(self) -> bytes:
        """The patient as frames name it."""
        return self.patient.encode()

    def to_json(self) -> bytes:
        """The body of its entry, without the id, which the stream gives."""
        values = asdict(self)
        del values["id"]
        if self.action is not Action.DEVICE:  # so that an owner who knows no devices reads the others
            del values["device"]
        return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, id_: str, body: bytes) -> Self:
        """Mirror image of `to_json`; anything else is a `CommandError`."""
        try:
            values: dict[str, Any] = json.loads(body)
            values["action"] = Action(values["action"])
            texts = [values[name] for name in ("patient", "who", "why", "alarm", "ceiling")]
            texts.append(values.get("device", ""))
            wrong = not isinstance(values["types"], list)
            wrong |= not all(isinstance(text, str) for text in [*texts, *values["types"]])
            values["types"] = tuple(values["types"])
            if (
                wrong
                or type(values["time_us"]) is not int
                or type(values["for_s"]) not in {float, int, type(None)}
            ):
                raise CommandError(f"command {id_[:40]} cannot be read: a field of a wrong type")
            return cls(id_, **values)
        except (ValueError, TypeError, KeyError, RecursionError, FrameError) as error:
            raise CommandError(f"command {id_[:40]} cannot be read: {error!r:.80}") from None


CEILINGS = {priority.label: priority for priority in Priority if priority}


def is_alarm(text: str) -> bool:
    """Whether this is written as an alarm's id is."""
    return len(text) == 32 and all(c in "0123456789abcdef" for c in text)


def type_bits(names: tuple[str, ...]) -> int:
    """Types as the bits of a mute; none are all."""
    return sum(1 << SCORE_NAMES.index(name) for name in set(names)) or EVERY_TYPE


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a command, and the alerts that it caused."""

    outcome: Outcome
    alerts: tuple[Alert, ...] = ()
