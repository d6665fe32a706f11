"""What a window is: ten seconds of one lead, 1,000 samples at 100 Hz, float32 millivolts."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shared.errors import SelfmisError

RATE_HZ = 100
WINDOW_SECONDS = 10
WINDOW_SAMPLES = RATE_HZ * WINDOW_SECONDS

Windows: TypeAlias = npt.NDArray[np.float32]
"""Windows as rows."""


class SignalError(SelfmisError):
    """Samples that cannot be processed as they are."""


def as_windows(windows: npt.ArrayLike, samples: int = WINDOW_SAMPLES) -> Windows:
    """``windows`` as a C-contiguous float32 array of shape (n, ``samples``); refuses any other shape.

    Costs nothing where the array already is one.
    """
    rows = np.ascontiguousarray(windows, np.float32)
    if rows.ndim != 2 or rows.shape[1] != samples:
        raise SignalError(f"windows have shape {np.shape(windows)}; they must be (n, {samples})")
    return rows
