"""Recordings that people send to be scored (JSON, CSV, a WFDB record in a zip file) as millivolts of one lead.

Pure but for a temporary folder. Everything is bounded before it is unpacked: what a file says of its own size is
not believed. Refuses (`Unreadable`) in one line that repeats nothing of the content.
"""

import csv
import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from services.inference.api.errors import Refused
from shared.wfdb import RecordingError, microvolts_per, millihertz, read_header, read_stretch, standard

MOST_FILES = 16
_UNPACKED = 4  # times the largest upload
_COLUMNS = 64
_PIECE = 1 << 16
_TIMES = frozenset({"t", "time", "time_s", "time_ms", "seconds", "timestamp", "sample", "index", ""})

Millivolts = npt.NDArray[np.float32]


class Unreadable(Refused):
    """An upload that is no recording that can be scored."""

    def __init__(self, line: str) -> None:
        super().__init__(422, f"recording: {line}")


@dataclass(frozen=True, eq=False, slots=True)
class Recording:
    """One lead. ``millivolts`` is NaN where a sample is missing."""

    rate_mhz: int
    millivolts: Millivolts


def from_numbers(rate_hz: float, values: npt.ArrayLike) -> Recording:
    """Millivolts as numbers, None where missing."""
    return _checked(rate_hz, np.asarray(values, np.float64))


def from_csv(body: bytes, rate_hz: float, unit: str, column: str) -> Recording:
    """One column of a table separated by commas, semicolons or tabs: the named one, or the only one without times.

    A first line that holds no numbers is the heading. Empty fields and ``nan`` are missing samples.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8 text") from None
    try:
        scale = microvolts_per(unit) / 1000
    except RecordingError:
        raise Unreadable("unit is no voltage: V, mV, uV or nV are read") from None
    first = text[: text.find("\n")] if "\n" in text else text
    separator = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        heading = next(rows, [])
        at, values = _column(heading, column), []
        if all(_number(field) is not None for field in heading):
            values.append(_field(heading, at, 1))
        values += [_field(row, at, line) for line, row in enumerate(rows, 2) if row]
    except csv.Error:
        raise Unreadable("it is no table of fields") from None
    return _checked(rate_hz, np.array(values, np.float64) * scale)


def from_wfdb(body: bytes, lead: str, most_bytes: int) -> Recording:
    """The record in a zip file: one header, what it names beside it, nothing else that matters."""
    with _unpacked(body, _UNPACKED * most_bytes) as folder:
        headers = sorted(folder.glob("*.hea"))
        if len(headers) != 1:
            raise Unreadable(f"a zip file with one WFDB header (.hea) is wanted, not {len(headers)}")
        try:
            header = read_header(headers[0])
            if header.segments:
                raise Unreadable("it has several segments: send one")
            names = [signal.name for signal in header.signals]
            k = _lead(names, lead)
            # Compressed formats could unpack to anything: what the header promises is the bound.
            promised = (header.samples or 0) * header.signals[k].per_frame
            if promised * 2 > _UNPACKED * most_bytes or (header.signals[k].code > 500 and not promised):
                raise Unreadable("it promises more samples than may be sent")
            stretch = read_stretch(headers[0], header, k)
        except RecordingError as error:
            raise Unreadable(_told(error)) from None
        values = stretch.values.astype(np.float64) * (stretch.uv_per_lsb / 1000)
        values[stretch.missing] = np.nan
        return _checked(stretch.rate_mhz / 1000, values)


@contextmanager
def _unpacked(body: bytes, most_bytes: int) -> Iterator[Path]:
    """The files of an archive in a folder of their own, flat; counted as they unpack, not as they claim to be."""
    with TemporaryDirectory(prefix="selfmis-upload-") as name:
        folder, left = Path(name), most_bytes
        try:
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                entries = [entry for entry in archive.infolist() if not entry.is_dir()]
                if len(entries) > MOST_FILES:
                    raise Unreadable(f"the zip file holds more than {MOST_FILES} files")
                for entry in entries:
                    target = folder / _flat(entry.filename)
                    if target.exists():
                        raise Unreadable("the zip file holds two files of one name")
                    with archive.open(entry) as packed, target.open("wb") as file:
                        while piece := packed.read(_PIECE):
                            left -= len(piece)
                            if left < 0:
                                raise Unreadable(f"the zip file unpacks to more than {most_bytes} bytes")
                            file.write(piece)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, OSError):
            # Broken, encrypted, of an unknown method, or with names that are none.
            raise Unreadable("it is no zip file that can be unpacked") from None
        yield folder


def _flat(name: str) -> str:
    last = PurePosixPath(name.replace("\\", "/")).name
    if last in {"", ".", ".."} or len(last) > 200 or not last.isprintable():
        raise Unreadable("the zip file holds a name that is none")
    return last


def _lead(names: list[str], wanted: str) -> int:
    found = [k for k, name in enumerate(names) if standard(name) == wanted]
    if len(found) == 1:
        return found[0]
    if len(names) == 1 and standard(names[0]) is None:
        return 0  # a single signal that says no lead is the one that was asked for
    raise Unreadable(
        f"{'several signals are' if found else 'no signal is'} lead {wanted}: name another with lead="
    )


def _column(heading: list[str], wanted: str) -> int:
    plain = [field.strip().casefold() for field in heading]
    if len(plain) > _COLUMNS:
        raise Unreadable(f"it has more than {_COLUMNS} columns")
    if wanted:
        if plain.count(wanted.strip().casefold()) != 1:
            raise Unreadable("its first line does not name that column once")
        return plain.index(wanted.strip().casefold())
    left = [at for at, name in enumerate(plain) if name not in _TIMES] if len(plain) > 1 else [0]
    if len(left) != 1:
        raise Unreadable("it has several columns: name one with column=")
    return left[0]


def _field(row: list[str], at: int, line: int) -> float:
    text = row[at].strip() if at < len(row) else ""
    value = math.nan if text == "" else _number(text)
    if value is None:
        raise Unreadable(f"line {line} holds no number where one belongs")
    return value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _checked(rate_hz: float, values: npt.NDArray[np.float64]) -> Recording:
    try:
        rate_mhz = millihertz(rate_hz)
    except RecordingError:
        raise Unreadable("rate_hz is outside 50 to 1000 Hz") from None
    if values.ndim != 1 or np.isinf(values).any() or (np.abs(values[np.isfinite(values)]) > 1e4).any():
        raise Unreadable("millivolts are wanted, finite and below 10,000")
    return Recording(rate_mhz, values.astype(np.float32))


def _told(error: RecordingError) -> str:
    """Why, as far as it repeats nothing that the file says."""
    return str(error) if not any(mark in str(error) for mark in "'\"") else "its header cannot be read"
