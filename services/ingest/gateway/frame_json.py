"""Frames as JSON: what a device may write, checked field by field, and turned into frames.

Pure: bytes in, frames or a `Refusal` out. The refusal names the frame and the field, never a value.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.ingest.gateway.refusal import Refusal, in_frame
from shared.frames import LEADS, MAX_COUNT, MAX_FIRST, FrameError, Frames, Samples, headers, patient_bytes

MAX_SESSION = 2**64 - 1
INT16 = np.iinfo(np.int16)
DEFAULT_UV_PER_LSB = 1.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

Millivolts = Annotated[
    list[Annotated[float, Field(allow_inf_nan=False)]], Field(fail_fast=True, min_length=1, max_length=MAX_COUNT)
]
Counts = Annotated[list[int], Field(fail_fast=True, min_length=1, max_length=MAX_COUNT)]


class JsonFrame(BaseModel):
    """Some consecutive samples of one patient. Samples are either ``mv`` or ``adc`` with ``uv_per_lsb``."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, title="Frame")

    patient: str = Field(description="patient id, 1 to 32 bytes of UTF-8 without controls")
    session: int | str = Field(
        description="session id, 0 to 2^64-1, as a number or a string of digits; a new one whenever the device's "
        "sample counter starts again"
    )
    session_start: int | str | None = Field(
        None,
        description="when sample 0 was taken: RFC 3339 with an offset, or microseconds since 1970; the same in "
        "every frame of a session. Left out: the gateway sets it from the arrival of the session's first frame",
    )
    first: int = Field(ge=0, le=MAX_FIRST, description="index of the first sample since the session began")
    rate_hz: float = Field(ge=50, le=1000, allow_inf_nan=False, description="sampling rate, to the millihertz")
    lead: str = Field(description=f"one of {', '.join(LEADS)}")
    uv_per_lsb: float | None = Field(
        None,
        gt=0,
        le=1e4,
        allow_inf_nan=False,
        description=f"microvolts per count; required with adc, {DEFAULT_UV_PER_LSB:g} by default with mv",
    )
    mv: Millivolts | None = Field(None, description="samples in millivolts")
    adc: Counts | None = Field(None, description="samples in counts of the converter, 16 bits with sign")


REASONS = {
    "patient": "patient",
    "session": "session",
    "session_start": "session_start",
    "first": "first",
    "rate_hz": "rate",
    "lead": "lead",
    "uv_per_lsb": "gain",
    "mv": "samples",
    "adc": "samples",
}


class FrameReader:
    """Reads request bodies of at most ``max_frames`` frames."""

    def __init__(self, max_frames: int) -> None:
        self._max_frames = max_frames
        self._one = TypeAdapter(JsonFrame)
        self._many: TypeAdapter[list[JsonFrame]] = TypeAdapter(
            Annotated[list[JsonFrame], Field(fail_fast=True, min_length=1, max_length=max_frames)]
        )

    def read(self, body: bytes | str) -> list[Frames]:
        """The frames of a JSON object or list, in order, as runs of equally long ones; `Refusal` otherwise.

        A session start that was left out is 0 in the header.
        """
        head = body.lstrip()[:1]
        try:
            many = head in {b"[", "["}
            frames = self._many.validate_json(body) if many else [self._one.validate_json(body)]
        except ValidationError as error:
            raise self._explained(error) from None
        return _runs(frames)

    def _explained(self, error: ValidationError) -> Refusal:
        first: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place, kind, rule = list(first["loc"]), first["type"], _lower(first["msg"])
        if kind == "json_invalid":
            return Refusal(400, "json", rule)
        index = place.pop(0) if place and isinstance(place[0], int) else 0
        if not place:
            if kind == "too_long":
                return Refusal(413, "frames", f"a request holds at most {self._max_frames} frames")
            if kind == "too_short":
                return Refusal(422, "empty", "a request holds at least one frame")
            return Refusal(422, "json", f"frame {index} is no JSON object")
        field = place[0]
        if field not in REASONS:
            # The name is the client's text, so it is not repeated.
            return Refusal(422, "field", f"frame {index}: an unknown field; known are {', '.join(REASONS)}")
        where = f"{field}[{place[1]}]" if len(place) > 1 and isinstance(place[1], int) else field
        return in_frame(index, where, REASONS[field], rule)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:] if message[1:2].islower() else message


def _runs(frames: Iterable[JsonFrame]) -> list[Frames]:
    """Neighbours of equal length together, so that their order stays."""
    made = [(_header(index, frame), _samples(index, frame)) for index, frame in enumerate(frames)]
    runs = []
    for _, group in groupby(made, key=lambda pair: len(pair[1])):
        rows = list(group)
        header = headers(len(rows))
        for row, (fields, _) in enumerate(rows):
            for name, value in fields.items():
                header[name][row] = value
        runs.append(Frames(header, np.stack([samples for _, samples in rows])))
    return runs


def _header(index: int, frame: JsonFrame) -> dict[str, Any]:
    try:
        patient = patient_bytes(frame.patient)
    except FrameError as error:
        raise in_frame(index, "patient", error.reason, str(error)) from None
    lead = frame.lead.upper()
    if lead not in LEADS:
        raise in_frame(index, "lead", "lead", f"a lead is one of {', '.join(LEADS)}")
    return {
        "patient": patient,
        "session": _session(index, frame.session),
        "session_start_us": 0 if frame.session_start is None else _start_us(index, frame.session_start),
        "first": frame.first,
        "rate_mhz": _rate_mhz(index, frame.rate_hz),
        "lead": LEADS.index(lead),
        "uv_per_lsb": _scale(index, frame),
    }


def _session(index: int, session: int | str) -> int:
    if isinstance(session, str):
        session = int(session) if len(session) <= 20 and session.isascii() and session.isdigit() else -1
    if not 0 <= session <= MAX_SESSION:
        raise in_frame(index, "session", "session", f"a session id is a whole number, 0 to {MAX_SESSION}")
    return session


def _start_us(index: int, start: int | str) -> int:
    if isinstance(start, int):
        start_us = start
    elif _RFC3339.fullmatch(start):
        try:
            start_us = (datetime.fromisoformat(start.upper()) - _EPOCH) // timedelta(microseconds=1)
        except (ValueError, OverflowError):
            raise in_frame(index, "session_start", "session_start", "no such moment") from None
    else:
        rule = "RFC 3339 with an offset (2030-01-31T12:00:00Z), or microseconds since 1970"
        raise in_frame(index, "session_start", "session_start", rule)
    # 0 stands for "left out" in a header, and no 64-bit header holds more than this.
    if not 0 < start_us < 2**63:
        raise in_frame(index, "session_start", "session_start", "microseconds since 1970 are above 0, in 63 bits")
    return start_us


def _rate_mhz(index: int, rate_hz: float) -> int:
    rate_mhz = round(rate_hz * 1000)
    if abs(rate_hz * 1000 - rate_mhz) > 1e-6:
        raise in_frame(index, "rate_hz", "rate", "a rate is a whole number of millihertz (at most three decimals)")
    return rate_mhz


def _scale(index: int, frame: JsonFrame) -> np.float32:
    if frame.uv_per_lsb is None and frame.adc is not None:
        raise in_frame(index, "uv_per_lsb", "gain", "required with adc")
    scale = np.float32(DEFAULT_UV_PER_LSB if frame.uv_per_lsb is None else frame.uv_per_lsb)
    if not scale > 0:
        raise in_frame(index, "uv_per_lsb", "gain", "too small for a 32-bit float")
    return scale


def _samples(index: int, frame: JsonFrame) -> Samples:
    if frame.adc is not None and frame.mv is None:
        if min(frame.adc) < INT16.min or max(frame.adc) > INT16.max:
            bad = next(i for i, count in enumerate(frame.adc) if not INT16.min <= count <= INT16.max)
            raise in_frame(index, f"adc[{bad}]", "samples", f"a count is {INT16.min} to {INT16.max}")
        return np.array(frame.adc, np.int16)
    if frame.mv is not None and frame.adc is None:
        # Divide by what the header will hold, so that reading back multiplies by the very same number.
        with np.errstate(over="ignore"):
            counts = np.rint(np.array(frame.mv) * 1000.0 / float(_scale(index, frame)))
        wrong = (counts < INT16.min) | (counts > INT16.max)
        if wrong.any():
            rule = "does not fit 16 bits at this uv_per_lsb: state a larger one"
            raise in_frame(index, f"mv[{int(np.argmax(wrong))}]", "samples", rule)
        return counts.astype(np.int16)
    raise in_frame(index, "mv", "samples", "samples are given either as mv or as adc")
