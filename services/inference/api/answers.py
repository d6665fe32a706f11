"""What the API answers, as models: they are its documentation (OpenAPI) and what fuzzing holds it to."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Scores = dict[str, float]
Outcome = Literal["complete", "gapped", "unassessable"]
StatusName = Literal["admitted", "standby", "discharged"]
Polarity = Literal["upright", "inverted"]
Probability = Field(ge=0, le=1)


class Answer(BaseModel):
    """An object with exactly these fields."""

    model_config = ConfigDict(extra="forbid")


class Error(Answer):
    """Why a request was refused, in one line."""

    error: str


class Healthy(Answer):
    """This process answers."""

    ok: Literal[True]


class Replica(Answer):
    """One live replica of the monitor."""

    replica: str
    model: str
    shards: int
    patients: int
    lag_s: float
    refused: str | None = Field(description="why its newest configuration is not in force, if so")


class Ready(Answer):
    """Whether every shard has an owner, and what the owners say of themselves."""

    ready: bool
    shards: int
    owned: int
    commits: int
    frames_no_room: int = Field(description="frames of patients beyond `window.max_patients` of a shard")
    replicas: list[Replica]


class Session(Answer):
    """Who asks."""

    role: Literal["view", "act"]
    who_required: bool
    auth: bool = Field(description="whether a token is needed")


class PatientCounts(Answer):
    """How many patients are in which state."""

    admitted: int
    standby: int
    discharged: int


class MiCounts(Answer):
    """MI alarms in force."""

    high: int
    medium: int
    low: int


class AlarmCounts(Answer):
    """Alarms in force; ``unacknowledged`` of either sort."""

    mi: MiCounts
    technical: int
    unacknowledged: int


class ModelName(Answer):
    """The model that the monitor uses."""

    name: str
    version: str
    trained_on: str
    lead: str


class Alarm(Answer):
    """An alarm in force."""

    alarm: str
    kind: str
    type: str
    priority: str
    phase: str
    began_us: int


class SystemAlarm(Alarm):
    """An alarm in force that is about nobody alone, and the shard that noticed."""

    shard: int


class Summary(Answer):
    """The ward in a few numbers."""

    now_us: int
    ready: bool
    shards: int
    owned: int
    patients: PatientCounts
    alarms: AlarmCounts
    system: list[SystemAlarm]
    lag_s: float | None
    windows: int
    model: ModelName
    notice: str


class Patient(Answer):
    """One patient. What only a window can tell is null for an expected patient, of whom nothing was heard yet."""

    patient: str
    status: StatusName
    device: str
    session: str | None
    window: int | None
    end_us: int | None
    rate_hz: float | None
    outcome: Outcome | None
    quality: float | None
    rejected_for: list[str]
    any_mi: float | None
    type: str | None = Field(description="the likeliest of the nine types")
    scores: Scores | None
    alarms: list[Alarm]
    muted: bool


class Mute(Answer):
    """A known finding: up to ``ceiling`` and of these types it does not alarm."""

    types: list[str]
    ceiling: str
    until_us: int | None


class Audited(BaseModel):
    """A command as it was applied or refused."""

    model_config = ConfigDict(extra="allow")

    command: str
    outcome: str


class PatientDetail(Patient):
    """One patient, with known findings and the newest commands."""

    mutes: list[Mute]
    audit: list[Audited]


class Patients(Answer):
    """A page of patients."""

    total: int
    offset: int
    age_ms: int = Field(description="how long ago the ward was read: what was committed since may be missing")
    patients: list[Patient]


class TrendPoint(Answer):
    """One window of the past."""

    end_us: int
    quality: float | None
    outcome: Outcome
    scores: Scores | None


class Trend(Answer):
    """Oldest first."""

    patient: str
    points: list[TrendPoint]


class Strip(Answer):
    """Raw waveform; null where a sample is missing. Without any, all but patient and samples is null."""

    patient: str
    session: str | None
    rate_hz: float | None
    uv_per_lsb: float | None
    start_us: int | None
    samples: list[int | None]


class JudgedStrip(Strip):
    """A patient's strip, and whether its newest ten seconds are upside down; null where that cannot be told."""

    polarity: Polarity | None


class Strips(Answer):
    """Waveforms of several patients."""

    strips: list[Strip]


class Command(Answer):
    """What came of a command: applied, already, pending, malformed, forgotten …"""

    command: str
    outcome: str


class Pending(Command):
    """``where``: what to ask for its outcome."""

    where: str


class Alert(BaseModel):
    """An alert as it was committed (docs/alarms.md), and when and in which shard."""

    model_config = ConfigDict(extra="allow")

    id: str
    alarm: str
    patient: str
    kind: str
    transition: str
    phase: str
    priority: str
    type: str
    time_us: int
    polarity: Polarity | None = Field(
        default=None, description="which way up the lead seems to be in the alert's strip: `inverted` means little"
    )
    committed_ms: int
    shard: int


class Alerts(Answer):
    """Alerts, newest first; ``cursor`` is for `since` and for the stream."""

    alerts: list[Alert]
    cursor: str


class ModelCard(BaseModel):
    """The manifest of the model that the monitor uses."""

    model_config = ConfigDict(extra="allow")

    notice: str
    name: str
    version: str


class ScoredWindow(Answer):
    """One window of a recording."""

    start_s: float
    outcome: Outcome
    quality: float | None
    scores: Scores | None
    polarity: Polarity | None = Field(description="whether this window alone looks upside down (leads I and II)")


class ScoringSummary(Answer):
    """All windows of a recording; null where none could be scored."""

    seconds: float
    windows: int
    scored: int
    any_mi_mean: float | None
    any_mi_max: float | None
    type: str | None
    polarity: Polarity | None = Field(description="of all scored windows together: `inverted` scores mean nothing")


class Scoring(Answer):
    """A recording's scores. Research use only."""

    windows: list[ScoredWindow]
    summary: ScoringSummary
    model: str


class Audit(Answer):
    """Commands, newest first."""

    audit: list[Audited]
