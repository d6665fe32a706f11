"""Scenario files: which patients stream, what happens to them, and over what network. Validated YAML.

This module is the file's shape and its one-line errors; `ward` turns a scenario into sources.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from services.ingest.faults import Faults
from services.ingest.synthetic import KINDS
from services.ingest.synthetic.noise import (
    ClockDrift,
    Effect,
    GainError,
    LeadOff,
    Mains,
    Motion,
    Muscle,
    Saturation,
    Wander,
)
from shared.errors import SelfmisError
from shared.frames import LEADS

MOST_PATIENTS = 1_000_000
LARGEST_FILE = 1 << 20
# What a source may be called: short enough that names of its patients, made from it, fit a frame's header.
NAME = r"^[a-z0-9][a-z0-9-]{0,19}$"


class ScenarioError(SelfmisError):
    """A scenario file that cannot be run: names the file, the place in it, and what is wrong."""


class Part(BaseModel):
    """A piece of a scenario; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(ge=50, le=1000)]
Span = tuple[Seconds, Seconds]


class NetworkPart(Part):
    """See `services.ingest.faults.Faults`."""

    loss: Share = 0.0
    duplication: Share = 0.0
    reorder: Share = 0.0
    delay_s: Annotated[float, Field(gt=0, le=3600)] = 1.0
    outages_per_hour: Annotated[float, Field(ge=0, le=60)] = 0.0
    outage_s: Annotated[float, Field(gt=0, le=60)] = 15.0
    buffered: bool = True

    def faults(self) -> Faults:
        """As the network takes them."""
        return Faults(**self.model_dump())


class EffectPart(Part):
    """Something the wearable does between two times of the session; ``amount`` means what the type says."""

    type: Literal[
        "wander", "muscle", "motion", "mains", "lead_off", "rail", "gain_error", "saturation", "clock_drift"
    ]
    start_s: Seconds = 0.0
    stop_s: Seconds | None = None
    amount: Annotated[float, Field(ge=-1000, le=1000)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "EffectPart":
        if self.stop_s is not None and self.stop_s <= self.start_s:
            raise ValueError("stop_s must be after start_s")
        if self.amount is not None and self.amount <= 0 and self.type != "clock_drift":
            raise ValueError("amount must be above 0")
        return self

    def effect(self) -> Effect:
        """As the simulator takes it. Amounts: mV rms, mains mV, gain factor, saturation mV, drift ppm."""
        start, stop = self.start_s, math.inf if self.stop_s is None else self.stop_s
        amount = self.amount
        match self.type:
            case "wander":
                return Wander(0.15 if amount is None else amount, start, stop)
            case "muscle":
                return Muscle(0.05 if amount is None else amount, start, stop)
            case "motion":
                return Motion(0.4 if amount is None else amount, start, stop)
            case "mains":
                return Mains(0.03 if amount is None else amount, start, stop)
            case "lead_off":
                return LeadOff(start, stop, "flat")
            case "rail":
                return LeadOff(start, stop, "rail", 5.0 if amount is None else amount)
            case "gain_error":
                return GainError(1.5 if amount is None else amount, start, stop)
            case "saturation":
                return Saturation(1.0 if amount is None else amount, start, stop)
            case "clock_drift":
                return ClockDrift(50.0 if amount is None else amount)


class SimulatedGroup(Part):
    """``count`` patients of one kind at full fidelity. An onset may be one time or a range to draw from.

    ``absent_s``: from when to when the device sends nothing.
    """

    kind: str
    count: Annotated[int, Field(ge=1, le=MOST_PATIENTS)] = 1
    rates_hz: Annotated[tuple[Rate, ...], Field(min_length=1)] | None = None
    onset_s: Seconds | Span | None = None
    evolution: Annotated[float, Field(gt=0, le=100_000)] = 60.0
    severity: Annotated[float, Field(gt=0, le=3)] | None = None
    noise: Annotated[float, Field(ge=0, le=100)] | None = None
    effects: tuple[EffectPart, ...] = ()
    absent_s: Span | None = None

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} is unknown: use one of {', '.join(KINDS)}")
        return kind

    @field_validator("onset_s")
    @classmethod
    def _a_range_rises(cls, onset: float | tuple[float, float] | None) -> float | tuple[float, float] | None:
        if isinstance(onset, tuple) and onset[0] > onset[1]:
            raise ValueError("onset_s: the range must rise")
        return onset

    @field_validator("absent_s")
    @classmethod
    def _ends_after_it_begins(cls, absent: Span | None) -> Span | None:
        if absent is not None and absent[0] >= absent[1]:
            raise ValueError("absent_s: it must end after it begins")
        return absent


class CrowdGroup(Part):
    """Tens of thousands of patients from pre-computed beats, mixed as in an archive: for load.

    ``together``: so many begin, and fall due, at the same moment.
    """

    crowd: Annotated[int, Field(ge=1, le=MOST_PATIENTS)]
    together: Annotated[int, Field(ge=1, le=MOST_PATIENTS)] = 2_500
    rates_hz: Annotated[tuple[Rate, ...], Field(min_length=1)] | None = None


class RecordedGroup(Part):
    """Patients from a WFDB recording or a folder of them; more of them than recordings reuse these.

    The path is relative to the scenario file. ``lead``: its name in the recordings, where it differs.
    """

    wfdb: str
    lead: str | None = None
    count: Annotated[int, Field(ge=1, le=MOST_PATIENTS)] | None = None
    loop: bool = True


def _group(raw: object) -> str:
    if isinstance(raw, dict):
        for key in ("kind", "crowd", "wfdb"):
            if key in raw:
                return key
    return "kind"


class Scenario(Part):
    """A whole scenario file. ``begin_over_s``: sessions begin spread over this time; unset: over one frame."""

    name: Annotated[str, Field(pattern=NAME)]
    patients: Annotated[tuple[SimulatedGroup | CrowdGroup | RecordedGroup, ...], Field(min_length=1)]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    speed: Annotated[float, Field(gt=0)] | Literal["max"] = 1.0
    duration_s: Annotated[float, Field(gt=0)] | None = None
    frame_s: Annotated[float, Field(ge=0.05, le=10)] = 1.0
    begin_over_s: Annotated[float, Field(gt=0, le=60)] | None = None
    lead: str = "I"
    rates_hz: Annotated[tuple[Rate, ...], Field(min_length=1)] = (100, 125, 128, 130, 250, 256, 300, 500, 512)
    network: NetworkPart = NetworkPart()

    @field_validator("patients", mode="before")
    @classmethod
    def _by_first_key(cls, groups: object) -> object:
        """Read each group as what its own key says, so that an error is about that and not about all three."""
        if not isinstance(groups, list):
            return groups
        kinds: dict[str, type[Part]] = {"kind": SimulatedGroup, "crowd": CrowdGroup, "wfdb": RecordedGroup}
        read = []
        for number, raw in enumerate(groups, start=1):
            try:
                read.append(kinds[_group(raw)].model_validate(raw))
            except ValidationError as error:
                raise ValueError(f"group {number}: {_first(error)}") from None
        return tuple(read)

    @field_validator("lead")
    @classmethod
    def _a_lead(cls, lead: str) -> str:
        if lead not in LEADS:
            raise ValueError(f"lead {lead!r} is unknown: use one of {', '.join(LEADS)}")
        return lead

    @property
    def pace(self) -> float:
        """The speed as a number; infinite for ``max``."""
        return math.inf if self.speed == "max" else float(self.speed)

    def digest(self) -> str:
        """Changes when what is streamed changes; pace, duration and network may differ on a restart."""
        said = self.model_dump(mode="json", exclude={"speed", "duration_s", "network"})
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def read(path: Path) -> Scenario:
    """Read and check a scenario file; every fault is one line that names the file and the place in it."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1)
        if len(text) > LARGEST_FILE:
            raise ScenarioError(f"scenario {path} is larger than {LARGEST_FILE >> 20} MiB: is it one?")
        return parse(text, str(path))
    except OSError as error:
        raise ScenarioError(f"scenario {path} cannot be read: {error.strerror}") from None


def parse(text: bytes | str, name: str) -> Scenario:
    """Check the text of a scenario; ``name`` is for the errors."""
    try:
        raw: Any = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise ScenarioError(f"scenario {name} is not valid YAML{where}: {problem}") from None
    if not isinstance(raw, dict):
        raise ScenarioError(f"scenario {name} is empty or no mapping: it needs at least `name` and `patients`")
    try:
        return Scenario.model_validate(raw)
    except ValidationError as error:
        raise ScenarioError(f"scenario {name}: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = " ".join(first["msg"].removeprefix("Value error, ").split())
    if first["type"] == "extra_forbidden":
        message = "unknown key"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {message}{more}" if where else f"{message}{more}"
