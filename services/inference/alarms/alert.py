"""The message that an alarm began, changed or ended, with what a person needs to judge it."""

import json
import struct
from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any, Self

from services.inference.alarms.terms import Transition
from shared.errors import SelfmisError
from shared.labels import SCORE_NAMES

_KEY = struct.Struct("<32sQqqB")
WITH_STRIP = frozenset({Transition.BEGAN, Transition.RECURRED, Transition.ESCALATED, Transition.UPDATED})


class AlertError(SelfmisError):
    """Bytes that are no alert of this program."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One transition of one alarm.

    ``id`` follows from patient, session, window, time, kind, transition and, for what a person did, the command:
    the same events give the same id, and nothing of the patient can be read from it. ``alarm`` is the same for
    all alerts of one alarm, empty for a mute's. ``close``: types that could not be told from ``type``.
    ``scores`` are the window's, ``evidence`` the smoothed ones (None where there are none), both in the order of
    `SCORE_NAMES`. ``time_us`` is sample time; of silence itself the log's. ``strip`` asks the sender to attach the
    window's ten seconds. ``clock``: it follows from time that passed while nothing came, not from samples.
    """

    id: str
    alarm: str
    patient: str
    kind: str
    transition: str
    cause: str
    phase: str
    priority: str
    type: str
    time_us: int
    began_us: int
    session: int
    window: int
    close: tuple[str, ...] = ()
    scores: tuple[float, ...] | None = None
    evidence: tuple[float, ...] | None = None
    quality: float | None = None
    reasons: tuple[str, ...] = ()
    model: str = ""
    who: str = ""
    why: str = ""
    command: str = ""
    strip: bool = False
    clock: bool = False

    def to_dict(self) -> dict[str, Any]:
        """For JSON: scores by name, the session as text (JavaScript has no 64-bit integers)."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values["session"] = str(self.session)
        for name in ("scores", "evidence"):
            row = values[name]
            values[name] = None if row is None else dict(zip(SCORE_NAMES, row, strict=True))
        return values

    def to_json(self) -> bytes:
        """The body that is committed."""
        return json.dumps(self.to_dict(), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Mirror image of `to_json`; unknown fields are a newer program's and ignored."""
        try:
            read = json.loads(body)
            values = {field.name: read[field.name] for field in fields(cls)}
            values["session"] = int(values["session"])
            for name in ("scores", "evidence"):
                if values[name] is not None:
                    values[name] = tuple(float(values[name][score]) for score in SCORE_NAMES)
            values["close"], values["reasons"] = tuple(values["close"]), tuple(values["reasons"])
            found = cls(**values)
            found.to_json()  # what cannot be written was not written by us
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise AlertError(f"an alert of {len(body)} bytes cannot be read: {error!r:.80}") from None
        return found


def alarm_id(patient: bytes, session: int, window: int, time_us: int, kind: int) -> bytes:
    """The id of an alarm of ``kind`` that begins with a window, or (liveness: -1) at a time.

    The time is there because numbers of windows come again when the stride is changed.
    """
    return blake2b(_KEY.pack(patient, session, window, time_us, kind), digest_size=16).digest()


def alert_id(
    patient: bytes, session: int, window: int, time_us: int, kind: int, transition: str, command: str
) -> str:
    """The id of an alert, in hexadecimal."""
    body = _KEY.pack(patient, session, window, time_us, kind) + f"{transition}\0{command}".encode()
    return blake2b(body, digest_size=16, person=b"alert").hexdigest()
