"""How large an ECG and a noise are: the measures behind "noise at 6 dB".

As the WFDB program ``nst`` defines it: the signal's power is the square of its QRS
complexes' peak-to-peak amplitude, over 8 (that of a sine as tall); the noise's is the
square of its RMS about the mean of each second. Both amplitudes are means without the
largest and the smallest 5 % of the measurements. Two things differ. ``nst`` finds the
complexes by annotations, which recordings of wearables do not have; here it is the
tallest 100 ms of every 1.5 s. And ``nst`` measures a noise's first five minutes, which
in one channel of the stress test are 5 dB quieter than the rest; here all of it counts.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, minimum_filter1d

MEASUREMENTS = 300
TRIMMED = 0.05
QRS_S, STRETCH_S = 0.1, 1.5


def qrs_amplitude(signal: npt.NDArray[Any], rate_mhz: int) -> float:
    """Peak-to-peak amplitude of the QRS complexes, in the signal's unit. Needs two seconds."""
    stretch = round(STRETCH_S * rate_mhz / 1000)
    signal = signal[: MEASUREMENTS * stretch].astype(np.float64)
    width = max(2, round(QRS_S * rate_mhz / 1000) + 1)
    tall = maximum_filter1d(signal, width) - minimum_filter1d(signal, width)
    return trimmed_mean(tall[: len(tall) // stretch * stretch].reshape(-1, stretch).max(axis=1))


def noise_amplitude(noise: npt.NDArray[Any], rate_mhz: int) -> float:
    """RMS of a noise about the mean of each second, in its unit. Needs a second."""
    second = round(rate_mhz / 1000)
    seconds = noise[: len(noise) // second * second].reshape(-1, second).astype(np.float64)
    return trimmed_mean(seconds.std(axis=1))


def noise_gain(qrs: float, noise: float, snr_db: float) -> float:
    """What a noise of this amplitude is multiplied by to lie ``snr_db`` below a signal with this QRS."""
    return float(np.sqrt(qrs**2 / 8 / 10 ** (snr_db / 10)) / noise)


def trimmed_mean(measured: npt.NDArray[np.float64]) -> float:
    """Mean without the largest and the smallest 5 %."""
    cut = int(TRIMMED * len(measured))
    return float(np.sort(measured)[cut : len(measured) - cut].mean())
