"""A NumPy file: one patient (one dimension) or one patient a row (two)."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from services.ingest.recordings.columns import Own
from services.ingest.recordings.counts import from_voltages
from services.ingest.recordings.leads import Wanted
from services.ingest.recordings.recording import Recording
from shared.wfdb import MAX_SAMPLES, RecordingError, microvolts_per, millihertz


def read_npy(path: Path, name: str, wish: Wanted, own: Own) -> Iterator[tuple[str, Callable[[], Recording]]]:
    """For each patient of the file, what to call it in a complaint and a function that reads it.

    So one bad row does not cost the others. Values are millivolts unless ``own`` says
    otherwise; the rate must be given. Refuses (`RecordingError`) pickled objects, more than
    two dimensions, and samples × patients where patients × samples is meant.
    """
    if own.rate_hz is None:
        raise RecordingError("a NumPy file holds no times: give the sampling rate")
    rate, scale = millihertz(own.rate_hz), microvolts_per(own.units or "mV")
    try:
        with warnings.catch_warnings(action="ignore"):  # files of Python 2 are read, and said to be old
            values = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - NumPy parses the header as Python and raises what that raises
        why = (str(error).splitlines() or ["unreadable"])[0]
        raise RecordingError(f"it is no readable .npy file: {why}") from None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf" or values.ndim not in {1, 2}:
        raise RecordingError("a .npy file with one or two dimensions of real numbers is needed")
    if values.ndim == 1:
        values = values[None]
    patients, samples = values.shape
    if not patients:
        raise RecordingError("it holds no patient")
    if patients > samples > 0:
        raise RecordingError(f"shape {patients} × {samples} is more patients than samples: transpose it")
    if samples > MAX_SAMPLES:
        raise RecordingError(f"it has more than {MAX_SAMPLES} samples a patient: cut it into parts")

    def row(r: int, called: str) -> Recording:
        return from_voltages(called, wish.lead, rate, values[r], scale)

    for r in range(patients):
        if patients == 1:
            yield "", lambda: row(0, name)
        else:
            yield f"row {r}: ", lambda r=r: row(r, f"{name}/{r:0{len(str(patients - 1))}}")  # type: ignore[misc]  # a bound default
