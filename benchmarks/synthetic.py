"""A plain ECG-like signal at any rate, for measuring and testing where no recording is needed."""

import numpy as np
import numpy.typing as npt

from shared.signal import device_samples

# Wave: centre before (−) or after the R peak in s, width (one standard deviation) in s, height in mV.
_WAVES = (
    (-0.18, 0.025, 0.10),
    (-0.03, 0.010, -0.08),
    (0.0, 0.011, 0.90),
    (0.03, 0.011, -0.20),
    (0.26, 0.045, 0.25),
)


def ecg(
    count: int, rate_mhz: int, random: np.random.Generator, *, noise_mv: float = 0.01, rr_spread: float = 0.03
) -> npt.NDArray[np.float32]:
    """``count`` windows (rows) of beats at 50–110 a minute with drift and white noise, each another patient."""
    time = np.arange(device_samples(rate_mhz)) * 1000 / rate_mhz
    rows = np.empty((count, len(time)), np.float32)
    for row in rows:
        interval = 60 / random.uniform(50, 110)
        gaps = interval * np.clip(1 + rr_spread * random.standard_normal(40), 0.4, 1.8)
        beats = np.cumsum(gaps) - interval * random.random()
        signal = 0.2 * np.sin(2 * np.pi * (0.2 * time + random.random()))
        following = np.clip(np.searchsorted(beats, time), 1, len(beats) - 1)
        for since in (time - beats[following - 1], time - beats[following]):
            for centre, width, height in _WAVES:
                signal += height * np.exp(-(((since - centre) / width) ** 2) / 2)
        row[:] = signal + noise_mv * random.standard_normal(len(time))
    return rows
