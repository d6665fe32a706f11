"""What a person says about data of their own, and what the heading of a column says by itself."""

import re
from dataclasses import dataclass

from shared.wfdb import RecordingError, microvolts_per

_TIME_UNITS = {"S": 1.0, "SEC": 1.0, "SECONDS": 1.0, "MS": 1e-3, "US": 1e-6, "NS": 1e-9}
_TIME_NAMES = frozenset({"T", "TIME", "TIMES", "TIMESTAMP", "DATETIME", "SECONDS", "ELAPSED"})
_INDEX_NAMES = frozenset({"", "INDEX", "SAMPLE", "SAMPLES", "N", "#"})


@dataclass(frozen=True)
class Own:
    """How to read a CSV or NumPy file: the column, the unit of its values, the rate. All may be left to the file.

    ``units``: None takes what the heading says (``ecg [uV]``), else millivolts.
    ``rate_hz``: None takes the rate from a column of times; a NumPy file has none and needs it.
    """

    column: str | None = None
    units: str | None = None
    rate_hz: str | float | None = None

    def __post_init__(self) -> None:
        if self.units is not None:
            microvolts_per(self.units)


@dataclass(frozen=True)
class Heading:
    """A column's heading, taken apart: ``ecg [uV]`` is named ``ecg`` and measured in ``uV``."""

    text: str
    name: str
    units: str | None

    @property
    def is_index(self) -> bool:
        """Whether it counts samples."""
        return self.name.upper() in _INDEX_NAMES or self.name.upper().startswith("UNNAMED:")

    @property
    def seconds_per_unit(self) -> float | None:
        """Seconds in one unit of a time column (seconds if it does not say), None for any other column."""
        plain = self.name.upper()
        unit = (self.units or "").upper().replace("µ", "U").replace("Μ", "U")
        suffixed = re.fullmatch(r"(T|TIME|TIMESTAMP)_(S|SEC|SECONDS|MS|US|NS)", plain)
        if suffixed:
            return _TIME_UNITS[suffixed[2]]
        if plain not in _TIME_NAMES and not plain.endswith(("TIMESTAMP", " TIME")):
            return None
        if unit and unit not in _TIME_UNITS:
            raise RecordingError(f"column {self.text!r} has times in an unknown unit: s, ms, us or ns are read")
        return _TIME_UNITS[unit] if unit else 1.0


def heading(text: str) -> Heading:
    """A heading taken apart."""
    match = re.fullmatch(r"\s*(?P<name>.*?)\s*[\[(](?P<units>[^\])]*)[\])]\s*", text)
    if match is None:
        return Heading(text, text.strip(), None)
    return Heading(text, match["name"], match["units"].strip() or None)
