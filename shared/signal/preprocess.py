"""What every window goes through before the encoder, in training, evaluation, export and serving alike.

Band-pass, then normalise, each lead alone: its root mean square becomes one. (The band-pass leaves no mean.)
Normalising over several leads would use what a single-lead device does not have.
"""

import numpy as np
import numpy.typing as npt

from shared.signal.bandpass import bandpass
from shared.signal.window import Windows, as_windows

PREPROCESSING_VERSION = 1
"""Goes up with any change that moves a pre-processed value; stamped into every artefact, checked on load."""

NORMALISE_FLOOR_MV = 0.005
"""Added (in squares) to the r.m.s.: a flat window becomes zeros, an ECG of 0.1 mV r.m.s. changes by 0.1 %."""


def preprocess(windows_mv: npt.ArrayLike) -> Windows:
    """Windows (n × 1000, finite millivolts at 100 Hz) as the encoder wants them: band-passed, r.m.s. 1.

    Bit-equal whatever the batch; a flat window gives zeros. For more leads, stack them as rows.
    """
    return normalise(bandpass(windows_mv))


def normalise(bandpassed: npt.ArrayLike) -> Windows:
    """Each row over √(mean square + `NORMALISE_FLOOR_MV`²), as a new array."""
    rows = as_windows(bandpassed)
    power = np.einsum("ij,ij->i", rows, rows) / np.float32(rows.shape[1])
    scale = 1 / np.sqrt(power + np.float32(NORMALISE_FLOOR_MV**2))
    normal: Windows = rows * scale[:, None]
    return normal
