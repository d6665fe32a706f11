"""Reads the public recordings that the benchmarks judge by, in their original layouts, as windows of one lead."""

import ast
import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.errors import SelfmisError
from shared.labels import MI_CODES, NORMAL
from shared.signal import WINDOW_SECONDS, Windows, device_samples

NSTDB_KINDS = ("bw", "em", "ma")


class RecordingsError(SelfmisError):
    """A folder does not hold the recordings it should."""


@dataclass(frozen=True)
class Labelled:
    """One recording's whole windows at its own rate, and what its data set says about it."""

    name: str
    label: str
    windows: Windows
    rate_mhz: int


def cinc2017(folder: Path, every: int = 1) -> Iterator[Labelled]:
    """Each ``every``-th hand-held recording of CinC 2017 as windows, with its label: N, A, O or ~ (noisy)."""
    for name, label, signal, rate_mhz in handheld(folder, every):
        yield Labelled(name, label, whole_windows(signal, rate_mhz), rate_mhz)


def handheld(folder: Path, every: int = 1) -> Iterator[tuple[str, str, npt.NDArray[np.float32], int]]:
    """The same whole: name, label, millivolts and rate in millihertz of each recording."""
    table = next((folder / name for name in _REFERENCES if (folder / name).is_file()), None)
    if table is None:
        raise RecordingsError(f"{folder} is not CinC 2017: it has no {_REFERENCES[0]}")
    with table.open(newline="") as lines:
        for row in itertools.islice(csv.reader(lines), 0, None, every):
            if len(row) >= 2 and row[1] in {"N", "A", "O", "~"}:
                yield row[0], row[1], *_signal(folder / row[0], 0)


_REFERENCES = ("REFERENCE.csv", "REFERENCE-v3.csv")


def ptbxl(folder: Path, lead: str = "I", every: int = 1) -> Iterator[Labelled]:
    """One lead of each ``every``-th 100 Hz record of PTB-XL that is on disk, labelled MI, NORM or blank."""
    table = folder / "ptbxl_database.csv"
    if not table.is_file():
        raise RecordingsError(f"{folder} is not PTB-XL: it has no {table.name}")
    with table.open(newline="", encoding="utf-8") as lines:
        for row in itertools.islice(csv.DictReader(lines), 0, None, every):
            try:
                path, codes = folder / row["filename_lr"], ast.literal_eval(row["scp_codes"])
            except (KeyError, ValueError, SyntaxError):
                raise RecordingsError(f"{table} has no usable filename_lr and scp_codes columns") from None
            if path.with_suffix(".hea").is_file():
                signal, rate_mhz = _signal(path, lead)
                label = "MI" if any(c in MI_CODES for c in codes) else NORMAL if NORMAL in codes else ""
                yield Labelled(path.name, label, whole_windows(signal, rate_mhz), rate_mhz)


def nstdb(folder: Path) -> Iterator[Labelled]:
    """The noise records of the MIT-BIH noise stress test, both channels one after the other."""
    for kind in NSTDB_KINDS:
        if not (folder / f"{kind}.hea").is_file():
            raise RecordingsError(f"{folder} is not nstdb: it has no {kind}.hea")
        channels = [_signal(folder / kind, channel) for channel in (0, 1)]
        windows = np.concatenate([whole_windows(signal, rate_mhz) for signal, rate_mhz in channels])
        yield Labelled(kind, kind, windows, channels[0][1])


def whole_windows(signal: npt.NDArray[np.float32], rate_mhz: int) -> Windows:
    """The whole ten-second windows of a recording, one after the other; what is left at the end is not used."""
    each = device_samples(rate_mhz)
    starts = np.arange(len(signal)) * WINDOW_SECONDS * rate_mhz // 1000
    starts = starts[starts + each <= len(signal)]
    windows: Windows = signal[starts[:, None] + np.arange(each)]
    return windows


def _signal(path: Path, lead: str | int) -> tuple[npt.NDArray[np.float32], int]:
    """One lead (by name or place) of a WFDB record in millivolts, and its rate in millihertz."""
    import wfdb  # noqa: PLC0415 - brings pandas, a second that `--help` need not wait for

    try:
        names = wfdb.rdheader(str(path)).sig_name
        places = [i for i, name in enumerate(names) if i == lead or str(name).upper() == lead]
        record = wfdb.rdrecord(str(path), channels=places[:1])
    except (OSError, ValueError, TypeError) as error:
        raise RecordingsError(
            f"{path} cannot be read: {' '.join(str(error).split()) or type(error).__name__}"
        ) from None
    if not places:
        raise RecordingsError(f"{path} has no lead {lead}")
    return record.p_signal[:, 0].astype(np.float32), round(record.fs * 1000)
