"""A CSV file of one patient: one column of voltages under a heading, and perhaps one of times."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from services.ingest.recordings.columns import Heading, Own, heading
from services.ingest.recordings.counts import from_voltages
from services.ingest.recordings.leads import Wanted, choose
from services.ingest.recordings.recording import Recording
from services.ingest.recordings.timing import rate_of
from shared.wfdb import MAX_SAMPLES, RecordingError, microvolts_per, millihertz

_LONGEST_LINE = 1 << 16


def read_csv(path: Path, name: str, wish: Wanted, own: Own) -> Recording:
    """The recording in a file separated by commas, semicolons or tabs.

    Empty fields and ``NaN`` are missing samples. Refuses (`RecordingError`, the caller names
    the file) a missing column, text where numbers belong, no rate, and uneven times.
    """
    first = _first_line(path)
    separator = max(",;\t", key=first.count)
    headings = [heading(text) for text in _fields(first, separator)]
    if all(_is_number(h.text) for h in headings):
        raise RecordingError("its first line holds numbers: a heading that names the columns is needed")
    signal = _signal_column(headings, wish, own)
    clock = next((i for i, h in enumerate(headings) if i != signal and h.seconds_per_unit is not None), None)
    table = _read(path, separator, len(headings))
    values = _numbers(table[signal], headings[signal].text)
    units = own.units or headings[signal].units or "mV"
    rate = _rate(own, None if clock is None else _seconds(table[clock], headings[clock]))
    return from_voltages(name, wish.lead, rate, values, microvolts_per(units))


def _first_line(path: Path) -> str:
    with path.open("rb") as file:
        raw = file.readline(_LONGEST_LINE)
    try:
        line = raw.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError:
        raise RecordingError("it is not UTF-8 text") from None
    if not line.strip():
        raise RecordingError("it is empty, or its first line is")
    return line


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator))
    except csv.Error:
        raise RecordingError("its first line is no list of column names") from None


def _signal_column(headings: Sequence[Heading], wish: Wanted, own: Own) -> int:
    listed = ", ".join(h.text for h in headings)
    if own.column is not None:
        asked = own.column.strip().casefold()
        found = [i for i, h in enumerate(headings) if asked in (h.text.strip().casefold(), h.name.casefold())]
        if len(found) == 1:
            return found[0]
        raise RecordingError(
            f"{'several columns are' if found else 'no column is'} called {own.column}: it has {listed}"
        )
    left = [i for i, h in enumerate(headings) if h.seconds_per_unit is None and not h.is_index]
    if len(left) == 1:
        return left[0]
    try:
        return left[choose([headings[i].name for i in left], wish)]
    except RecordingError as error:
        raise RecordingError(f"{error}; name a column") from None


def _read(path: Path, separator: str, columns: int) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            path,
            sep=separator,
            header=None,
            skiprows=1,
            # A decimal comma is possible only where the comma separates nothing.
            decimal="," if separator == ";" and _has_decimal_comma(path) else ".",
            encoding="utf-8-sig",
            skipinitialspace=True,
            low_memory=False,
            nrows=MAX_SAMPLES + 1,
        )
    except UnicodeDecodeError:
        raise RecordingError("it is not UTF-8 text") from None
    except pd.errors.EmptyDataError:
        raise RecordingError("it holds no sample") from None
    except (pd.errors.ParserError, ValueError) as error:
        raise RecordingError(f"it is no readable table: {error}") from None
    # A separator at the end of each line makes one empty column more, which is common; decimal commas make others.
    if table.shape[1] != columns and not (table.shape[1] == columns + 1 and table.iloc[:, -1].isna().all()):
        raise RecordingError(f"its first line names {columns} columns and the next has {table.shape[1]}")
    if len(table) > MAX_SAMPLES:
        raise RecordingError(f"it has more than {MAX_SAMPLES} samples: cut it into parts")
    return table


def _has_decimal_comma(path: Path) -> bool:
    with path.open("rb") as file:
        file.readline(_LONGEST_LINE)
        return b"," in file.readline(_LONGEST_LINE)


def _numbers(column: "pd.Series[float]", title: str) -> npt.NDArray[np.float64]:
    if column.dtype.kind in "iuf":
        return np.asarray(column, np.float64)
    wrong = pd.to_numeric(column, errors="coerce").isna() & column.notna()
    at = int(np.argmax(wrong.to_numpy()))
    raise RecordingError(
        f"column {title} has {str(column.iloc[at])[:30]!r} where a number belongs, in line {at + 2}"
    )


def _seconds(column: "pd.Series[float]", title: Heading) -> npt.NDArray[np.float64]:
    if column.dtype.kind in "iuf":
        # From the first on, while still exact: nanoseconds since 1970 do not fit a float.
        return np.asarray(column - column.iloc[0], np.float64) * (title.seconds_per_unit or 1.0)
    try:
        times = pd.to_datetime(column, format="ISO8601", utc=True)
    except ValueError:
        raise RecordingError(f"column {title.text} holds neither numbers nor ISO 8601 times") from None
    return np.asarray((times - times.iloc[0]).dt.total_seconds(), np.float64)


def _rate(own: Own, seconds: npt.NDArray[np.float64] | None) -> int:
    if own.rate_hz is None:
        if seconds is None:
            raise RecordingError("it has no column of times: give the sampling rate")
        return millihertz(rate_of(seconds))
    rate = millihertz(own.rate_hz)
    if seconds is not None and len(seconds) > 1 and seconds[-1] > 0:
        # Times may be uneven where a rate is given, but in all they must not tell of another rate.
        told = (len(seconds) - 1) / float(seconds[-1])
        if not 0.9 < told * 1000 / rate < 1.1:
            raise RecordingError(f"the rate given is {rate / 1000:g} Hz, its times say {told:.4g} Hz")
    return rate


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
