"""The newest window of each patient as views show it: a small fixed record, committed with the step."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.inference.engine import Scored
from shared.errors import SelfmisError
from shared.labels import SCORE_NAMES

VERSION = 1
LATEST = np.dtype(
    [
        ("version", "u1"),
        ("outcome", "u1"),  # as in a window, see `windows.Outcome`
        ("reasons", "<u2"),
        ("quality", "<f4"),
        ("session", "<u8"),
        ("window", "<i8"),
        ("end_us", "<i8"),
        ("rate_mhz", "<u4"),
        ("scores", "<f4", (len(SCORE_NAMES),)),  # NaN where the model was not asked
    ]
)


class LatestError(SelfmisError):
    """A record in Redis that this program did not write."""


def latest(
    windows: npt.NDArray[np.void], scored: Scored, parts: Sequence[npt.NDArray[np.int64]]
) -> list[dict[bytes, bytes]]:
    """The record of every patient of whom windows closed, of several the last: of each part of the rows."""
    records = np.zeros(len(windows), LATEST)
    records["version"] = VERSION
    records["outcome"] = windows["outcome"]
    records["reasons"] = scored.reasons
    records["quality"] = scored.quality
    records["session"] = windows["session"]
    records["window"] = windows["window"] + windows["windows"] - 1
    records["end_us"] = windows["end_us"]
    records["rate_mhz"] = windows["rate_mhz"]
    records["scores"] = scored.probabilities
    raw, size, names = records.tobytes(), LATEST.itemsize, windows["patient"].tolist()
    return [{names[i]: raw[i * size : (i + 1) * size] for i in rows.tolist()} for rows in parts]


def read(raw: bytes) -> np.void:
    """One record; refuses what is none."""
    if len(raw) != LATEST.itemsize or raw[0] != VERSION:
        raise LatestError(f"a latest record of {len(raw)} bytes, version {raw[:1].hex() or 'none'}: not ours")
    record: np.void = np.frombuffer(raw, LATEST)[0]
    return record
