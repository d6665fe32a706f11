"""Which windows become points of their patients' trends: a pure function of the window, so replays agree."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.inference.commit.point import POINT, points
from services.inference.engine import Scored


def trend(
    windows: npt.NDArray[np.void],
    scored: Scored,
    parts: Sequence[npt.NDArray[np.int64]],
    *,
    stride_us: int,
    every_us: int,
) -> list[dict[bytes, bytes]]:
    """The points of some closed windows by patient, each patient's in their order: of each part of the rows.

    A window is one if it is the first of its session to begin in its stretch of ``every_us``; of a run of empty
    windows (one row) the row, if it holds such a window. Costs well under a microsecond a window.
    """
    found: list[dict[bytes, bytes]] = [{} for _ in parts]
    last = windows["window"] + windows["windows"] - 1
    before = windows["window"] - 1
    is_due = (before < 0) | (last * stride_us // every_us != before * stride_us // every_us)
    due, part = [], []
    for number, rows in enumerate(parts):
        own = rows[is_due[rows]].tolist()
        due += own
        part += [number] * len(own)
    if not due:
        return found
    made = points(windows["end_us"][due], windows["outcome"][due], scored.quality[due], scored.probabilities[due])
    raw, size = made.tobytes(), POINT.itemsize
    for i, (number, name) in enumerate(zip(part, windows["patient"][due].tolist(), strict=True)):
        points_of = found[number]
        points_of[name] = points_of.get(name, b"") + raw[i * size : (i + 1) * size]
    return found
