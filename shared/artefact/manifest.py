"""`manifest.json`: what a model is, what it expects, how good it was, and the sha256 of every file beside it.

The manifest seals itself: its last entry is the sha256 of the rest, and only the exact text that `to_text`
writes is accepted, so a change of any byte is seen. That guards against accidents and mixed-up files; it is no
signature, whoever can write the folder can seal it again.
"""

import hashlib
import json
import unicodedata
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.artefact.alarm_rules import AlarmRules
from shared.artefact.errors import ArtefactError, shown
from shared.labels import SCORE_NAMES
from shared.score_histogram import SCORE_EDGES

FORMAT = 1
MAX_DEPTH = 16
_HUGE = 1e300
_SEAL = "sha256"


def _one_line(text: str) -> str:
    if any(unicodedata.category(character)[0] in "CZ" and character != " " for character in text):
        raise ValueError("must be one line without control characters")
    return text


def _utc(moment: datetime) -> datetime:
    if moment.utcoffset() != timedelta(0):
        raise ValueError("must be in UTC")
    return moment


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    level: list[Any] = [values]
    while level:
        item = level.pop()
        if isinstance(item, dict):
            for name in item:
                _one_line(name)
            level.extend(item.values())
        elif item is not None and (type(item) not in {int, float} or not abs(item) < _HUGE):
            raise ValueError("must be nested objects of finite numbers, null where a number is undefined")
    return values


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Line = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_one_line)]
Probability = Annotated[float, Field(ge=0, le=1)]
Slope = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
UtcTime = Annotated[datetime, AfterValidator(_utc)]
Numbers = Annotated[dict[str, Any], AfterValidator(_numbers)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FileRecord(_Record):
    """What one file of the folder must be."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class EncoderRecord(_Record):
    """Which encoder: enough for `Registry.restore`. ``size`` is a name for people."""

    family: Name
    size: Name | None
    config: dict[str, Any]


class CalibrationRecord(_Record):
    """``sigmoid(slope · logit + intercept)`` per score; a temperature T is a slope of 1 / T everywhere."""

    method: Literal["none", "temperature", "platt"] = "none"
    slope: dict[str, Slope] = Field(default_factory=lambda: dict.fromkeys(SCORE_NAMES, 1.0))
    intercept: dict[str, Finite] = Field(default_factory=lambda: dict.fromkeys(SCORE_NAMES, 0.0))


class ScoreReference(_Record):
    """The any-MI scores that the model gave on recordings it did not learn from, counted.

    ``counts``: in each bucket of `shared.score_histogram.SCORE_EDGES` alone. ``on``: which recordings.
    """

    counts: tuple[Annotated[int, Field(ge=0)], ...]
    sum: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    on: Line

    @model_validator(mode="after")
    def _whole(self) -> "ScoreReference":
        if len(self.counts) != len(SCORE_EDGES) or not any(self.counts):
            raise ValueError(f"reference.counts must be {len(SCORE_EDGES)} counts, not all 0")
        return self


SIMULATED = "simulated recordings"
"""The name of a data source that is no person's data; a model that learnt from nothing else says so."""


class DataSource(_Record):
    """The recordings a model learnt from, as their licence wants them named."""

    name: Line
    attribution: Line
    licence: Line


class Facts(_Record):
    """What only those who trained the model can say of it."""

    name: Name
    version: Name
    lead: Literal["I", "II"]
    thresholds: dict[str, Probability]  # a score at or above its threshold counts as found
    calibration: CalibrationRecord = Field(default_factory=CalibrationRecord)
    metrics: Numbers
    data: Annotated[tuple[DataSource, ...], Field(min_length=1)]
    trained_on: Line  # which part of the data: folds, counts
    created: UtcTime
    revision: Line  # of the code that trained it
    reference: ScoreReference | None = None  # absent in the folders of earlier versions, as is what follows
    alarm: AlarmRules | None = None  # picked for this model; what nobody sets otherwise

    @classmethod
    def stated(cls, **values: Any) -> "Facts":
        """The facts, as `Facts(…)`; an impossible one is an `ArtefactError` instead of pydantic's report."""
        try:
            return Facts(**values)
        except ValidationError as error:
            raise ArtefactError(f"model facts: {_worded(error)}") from None

    @model_validator(mode="after")
    def _every_score(self) -> "Facts":
        for what, values in (
            ("thresholds", self.thresholds),
            ("calibration.slope", self.calibration.slope),
            ("calibration.intercept", self.calibration.intercept),
        ):
            if tuple(values) != SCORE_NAMES:
                raise ValueError(f"{what} must name {', '.join(SCORE_NAMES)} in this order")
        return self


class Manifest(Facts):
    """The whole of `manifest.json` except its seal."""

    format: int
    labels: tuple[str, ...]
    rate_hz: int
    window_samples: int
    preprocessing_version: int | str
    encoder: EncoderRecord
    head: dict[str, Any]
    files: dict[str, FileRecord]

    def to_text(self) -> str:
        """The one text that `read_manifest` accepts for this manifest."""
        return _sealed(self._body())

    @property
    def sha256(self) -> str:
        """The seal, which names this model and no other."""
        return _seal(self._body())

    def _body(self) -> dict[str, Any]:
        body = self.model_dump(mode="json")
        for name in ("reference", "alarm"):
            if body[name] is None:  # a folder written before there was one keeps its text and its name
                del body[name]
        return body


def read_manifest(data: bytes) -> Manifest:
    """The manifest in ``data``; an `ArtefactError` says, in one line, why there is none.

    Takes bytes from anywhere: whatever they hold, nothing else is raised. What the manifest claims about labels,
    signal and files is the caller's to check.
    """
    body = _parsed(data)
    if body.get("format") != FORMAT or type(body["format"]) is not int:
        found = shown(body["format"]) if "format" in body else "missing"
        raise ArtefactError(f"manifest.json: unknown format {found}; this version reads format {FORMAT}")
    body.pop(_SEAL, None)
    try:
        if _sealed(body).encode() != data:
            raise ArtefactError(
                "manifest.json: changed after it was written (its own sha256 does not match); export again"
            )
        return Manifest.model_validate_json(json.dumps(body))
    except ValidationError as error:
        raise ArtefactError(f"manifest.json: {_worded(error)}") from None


def _worded(error: ValidationError) -> str:
    """The first complaint, in one line whatever the values are."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{shown(where)}: {message:.200}" if where else f"{message:.200}"


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data.decode("ascii"), object_pairs_hook=_object, parse_constant=_refuse)
    except RecursionError:
        raise ArtefactError("manifest.json: nested too deeply") from None
    except UnicodeDecodeError:
        raise ArtefactError("manifest.json: not ASCII text") from None
    except ValueError as error:
        raise ArtefactError(f"manifest.json: not valid JSON ({error!s:.100})") from None
    if not isinstance(body, dict):
        raise ArtefactError("manifest.json: not a JSON object")
    _refuse_depth(body)
    return body


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return values


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _refuse_depth(body: dict[str, Any]) -> None:
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        level = [
            below
            for item in level
            if isinstance(item, dict | list)
            for below in (item.values() if isinstance(item, dict) else item)
        ]
    if level:
        raise ArtefactError("manifest.json: nested too deeply")


def _seal(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _sealed(body: dict[str, Any]) -> str:
    return json.dumps({**body, _SEAL: _seal(body)}, indent=2) + "\n"
