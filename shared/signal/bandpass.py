"""The 0.5–40 Hz band-pass: one fixed linear operator on a ten-second window, without phase shift.

The window is continued beyond its ends as its own mirror image, in which world every symmetric filter is
diagonal in the cosine basis (DCT-II). The operator is

    y = (x − D x) ∗ h

- D x, the drift below 0.5 Hz: the first `DRIFT_TERMS` cosines of x, each times 1 / (1 + (f / 0.5 Hz)⁴), which
  is what a second-order Butterworth run forwards and backwards takes away; a constant goes completely;
- h, a 29-tap Kaiser-windowed sinc: −6 dB at 40 Hz, flat to 35 Hz, 50 dB down at 46 Hz.

Three forms of the same constants, which agree to 1e-5 of the signal: `bandpass` multiplies a thin factor and a
banded one (about 6 µs a window); `bandpass_factors` are the same for a graph, as a convolution and two products
(7 µs); `bandpass_matrix` is their 1000 × 1000 product (20 µs).
"""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.signal.operator import Operator, chunks, constant
from shared.signal.window import RATE_HZ, WINDOW_SAMPLES, Windows, as_windows

LOW_HZ = 0.5
HIGH_HZ = 40.0
DRIFT_TERMS = 64  # up to 3.15 Hz, beyond which the drift's gain is under 1e-3

_HALF_TAPS = 14
_STOPBAND_DB = 50.0
_TILE = 40
_STEP = 25  # samples that the convolution of `bandpass_factors` takes together; at least _HALF_TAPS


@dataclass(frozen=True)
class Bandpass:
    """The operator's constants: ``y = lowpass(x) + synthesis(analysis(x))``.

    ``analysis`` gives the cosine coefficients, ``synthesis`` minus the low-passed drift that they make up.
    """

    lowpass: Operator
    analysis: Operator
    synthesis: Operator


@dataclass(frozen=True)
class Factors:
    """``y = lowpass(x) + x @ analysis @ synthesis``, as a graph computes it fast.

    ``lowpass`` (outputs × inputs × 3) is a convolution over the window cut into runs of as many samples as it has
    inputs, zeros beyond the ends. The thin product takes the drift off, and puts the mirrored ends right.
    """

    lowpass: Windows
    analysis: Windows
    synthesis: Windows


def lowpass_taps() -> npt.NDArray[np.float64]:
    """The symmetric low-pass, its taps summing to one."""
    position = np.arange(-_HALF_TAPS, _HALF_TAPS + 1)
    beta = 0.5842 * (_STOPBAND_DB - 21) ** 0.4 + 0.07886 * (_STOPBAND_DB - 21)
    taps = np.sinc(2 * HIGH_HZ / RATE_HZ * position) * np.kaiser(2 * _HALF_TAPS + 1, beta)
    unit: npt.NDArray[np.float64] = taps / taps.sum()
    return unit


def drift_gains() -> npt.NDArray[np.float64]:
    """What share of each cosine (0, 0.05, 0.10 … Hz) is drift."""
    frequency = np.arange(DRIFT_TERMS) * RATE_HZ / (2 * WINDOW_SAMPLES)
    return 1 / (1 + (frequency / LOW_HZ) ** 4)


@functools.lru_cache(maxsize=1)
def operator() -> Bandpass:
    """The constants, designed once in float64 and kept in float32."""
    lowpass, drift = _lowpass_matrix(), _cosines()
    return Bandpass(
        lowpass=Operator.from_dense(lowpass, _TILE),
        analysis=Operator.from_dense(drift, DRIFT_TERMS),
        synthesis=Operator.from_dense(-(drift_gains()[:, None] * drift.T) @ lowpass, WINDOW_SAMPLES),
    )


@functools.lru_cache(maxsize=1)
def bandpass_matrix() -> Windows:
    """The whole operator as a read-only float32 matrix: ``y = x @ bandpass_matrix()``.

    A constant offset vanishes in exact arithmetic; where it may be hundreds of millivolts, take the window's
    first sample off before the product, as `bandpass` does.
    """
    lowpass, drift = _lowpass_matrix(), _cosines()
    return constant(lowpass - drift @ (drift_gains()[:, None] * drift.T) @ lowpass)


@functools.lru_cache(maxsize=1)
def bandpass_factors() -> Factors:
    """The operator in factors, a third of the multiplications of `bandpass_matrix`.

    As there, take the window's first sample off first.
    """
    taps, lowpass, drift = lowpass_taps(), _lowpass_matrix(), _cosines()
    # Which tap leads from a run's sample, of the run before, the same and the next, to an output.
    distance = (
        np.arange(-1, 2) * _STEP + np.arange(_STEP)[None, :, None] - np.arange(_STEP)[:, None, None] + _HALF_TAPS
    )
    inside = (distance >= 0) & (distance < len(taps))
    plain = np.abs(np.subtract.outer(np.arange(WINDOW_SAMPLES), np.arange(WINDOW_SAMPLES)))
    band = np.where(plain <= _HALF_TAPS, taps[_HALF_TAPS - np.minimum(plain, _HALF_TAPS)], 0)
    mirrored = lowpass - band
    ends = np.r_[:_HALF_TAPS, WINDOW_SAMPLES - _HALF_TAPS : WINDOW_SAMPLES]
    return Factors(
        lowpass=constant(np.where(inside, taps[np.where(inside, distance, 0)], 0)),
        analysis=constant(np.hstack([drift, np.eye(WINDOW_SAMPLES)[:, ends]])),
        synthesis=constant(np.vstack([-(drift_gains()[:, None] * drift.T) @ lowpass, mirrored[ends]])),
    )


def bandpass(windows: npt.ArrayLike) -> Windows:
    """Windows (n × 1000, mV at 100 Hz) band-passed to 0.5–40 Hz; bit-equal whatever the batch."""
    rows = as_windows(windows)
    out = np.empty_like(rows)
    for where, chunk in chunks(rows):
        out[where] = bandpassed_down(chunk).T[: where.stop - where.start]
    return out


def bandpassed_down(chunk: Windows) -> Windows:
    """The same of one chunk of `ROWS` windows (see `chunks`), transposed: time runs down, a window a column."""
    constants = operator()
    # The offset goes first: hundreds of millivolts of it would cost the last digits of the signal.
    level = chunk - chunk[:, :1]
    clean = constants.lowpass.transposed(level)
    clean += constants.synthesis.transposed(constants.analysis.apply(level))
    return clean


def _lowpass_matrix() -> npt.NDArray[np.float64]:
    """The low-pass with mirrored ends as a (1000 × 1000) matrix, symmetric."""
    matrix = np.zeros((WINDOW_SAMPLES, WINDOW_SAMPLES))
    sample = np.arange(WINDOW_SAMPLES)
    for shift, tap in zip(range(-_HALF_TAPS, _HALF_TAPS + 1), lowpass_taps(), strict=True):
        source = sample + shift
        source = np.where(source < 0, -1 - source, source)
        source = np.where(source >= WINDOW_SAMPLES, 2 * WINDOW_SAMPLES - 1 - source, source)
        np.add.at(matrix, (source, sample), tap)
    return matrix


def _cosines() -> npt.NDArray[np.float64]:
    """The first `DRIFT_TERMS` orthonormal DCT-II basis vectors as columns."""
    angle = np.pi * (np.arange(WINDOW_SAMPLES)[:, None] + 0.5) * np.arange(DRIFT_TERMS) / WINDOW_SAMPLES
    cosines: npt.NDArray[np.float64] = np.cos(angle) * np.sqrt(2 / WINDOW_SAMPLES)
    cosines[:, 0] = np.sqrt(1 / WINDOW_SAMPLES)
    return cosines
