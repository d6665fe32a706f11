"""What a search for Communications asks: its parameters, read strictly.

A parameter that is not understood is refused, not ignored as FHIR would allow: whoever filters alerts must not be
given others.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.errors import SelfmisError

COUNT, MOST = 50, 200
_SUBJECT: Final = frozenset({"subject:identifier", "patient:identifier", "subject:Patient.identifier"})
_DATES: Final = frozenset({"sent", "_lastUpdated"})
_ONCE: Final = frozenset({"_count", "_cursor", "_id", "_format", *_SUBJECT})
_FORMATS: Final = frozenset({"json", "application/json", "application/fhir+json"})
_DATE = re.compile(
    r"(?P<prefix>eq|gt|ge|lt|le)?"
    r"(?P<day>\d{4}(?:-\d\d(?:-\d\d)?)?)"
    r"(?:T(?P<time>\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(?P<zone>Z|[-+ ]\d\d:\d\d)?)?"
)
_ID = re.compile(r"[0-9a-f]{32}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END_MS: Final = 253_402_300_800_000  # the year 10000


class SearchError(SelfmisError):
    """A search that is not understood."""


@dataclass(frozen=True, slots=True)
class Search:
    """Alerts committed within ``from_ms`` ≤ t < ``until_ms``; empty words are any. ``cursor``: where to go on."""

    count: int = COUNT
    from_ms: int = 0
    until_ms: int = END_MS
    patient: str = ""
    id: str = ""
    cursor: str = ""


def parse(parameters: Iterable[tuple[str, str]], patient_system: str) -> Search:
    """The search; refuses (`SearchError`) what is not understood.

    ``patient_system``: of our patients' identifiers; asking for another system's finds nobody.
    """
    count, from_ms, until_ms = COUNT, 0, END_MS
    seen: dict[str, str] = {}
    for name, value in parameters:
        if name in _DATES:
            low, high = _range(name, value)
            from_ms, until_ms = max(from_ms, low), max(0, min(until_ms, high))
            continue
        if name not in _ONCE:
            raise SearchError("a parameter is not supported: see /fhir/metadata for those that are")
        key = "subject" if name in _SUBJECT else name
        if key in seen:
            raise SearchError(f"{key} is given twice")
        if not value:
            raise SearchError(f"{key} is empty")
        seen[key] = value
    if "_count" in seen:
        if not (seen["_count"].isascii() and seen["_count"].isdecimal() and len(seen["_count"]) < 10):
            raise SearchError("_count is a number from 1")
        count = min(MOST, int(seen["_count"]))
        if count < 1:
            raise SearchError("_count is a number from 1: there is no total to give")
    if "_id" in seen and not _ID.fullmatch(seen["_id"]):
        raise SearchError("_id: an alert's id has 32 hexadecimal digits")
    if seen.get("_format", "json").replace(" ", "+") not in _FORMATS:
        raise SearchError("_format: JSON is the only one")
    patient = seen.get("subject", "")
    if "|" in patient:  # what comes behind the first bar may hold more
        system, _, patient = patient.partition("|")
        if system not in {"", patient_system}:
            until_ms = from_ms  # nobody here is known by that system
    return Search(count, from_ms, until_ms, patient, seen.get("_id", ""), seen.get("_cursor", ""))


def _range(name: str, value: str) -> tuple[int, int]:
    """The milliseconds that a date with its prefix stands for, the second one excluded."""
    match = _DATE.fullmatch(value)
    if match is None:
        raise SearchError(f"{name}: write a date as ge2026-01-31 or lt2026-01-31T12:00:00Z (eq, gt, ge, lt, le)")
    try:
        first, after = _spanned(match["day"], match["time"], match["zone"])
    except (ValueError, OverflowError):
        raise SearchError(f"{name}: there is no such date") from None
    return {
        "ge": (first, END_MS),
        "gt": (after, END_MS),
        "lt": (0, first),
        "le": (0, after),
    }.get(match["prefix"] or "eq", (first, after))


def _spanned(day: str, time: str | None, zone: str | None) -> tuple[int, int]:
    """From the first millisecond of a date of any precision to the one after its last."""
    parts = [int(part) for part in day.split("-")]
    if time is None:
        year, month, date = [*parts, 1, 1][:3]
        first = datetime(year, month, date, tzinfo=UTC)
        if len(parts) == 1:
            after = datetime(year + 1, 1, 1, tzinfo=UTC)
        elif len(parts) == 2:
            after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        else:
            after = first + timedelta(days=1)
        return _ms(first), _ms(after)
    if len(parts) != 3:
        raise ValueError(day)
    # In an address a plus sign that was not written as %2B arrives as a blank.
    first = datetime.fromisoformat(f"{day}T{time}{(zone or 'Z').replace(' ', '+')}")
    if time.count(":") == 1:
        return _ms(first), _ms(first + timedelta(minutes=1))
    if "." not in time:
        return _ms(first), _ms(first + timedelta(seconds=1))
    return _ms(first), _ms(first) + 1


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
