"""Signal processing that training and serving share: windows at 100 Hz, band-passed and normalised."""

from shared.signal.bandpass import bandpass, bandpass_factors, bandpass_matrix
from shared.signal.gaps import interpolate_missing, missing_share
from shared.signal.preprocess import NORMALISE_FLOOR_MV, PREPROCESSING_VERSION, normalise, preprocess
from shared.signal.resample import MAX_RATE_MHZ, MIN_RATE_MHZ, device_samples, resample
from shared.signal.window import RATE_HZ, WINDOW_SAMPLES, WINDOW_SECONDS, SignalError, Windows

__all__ = [
    "MAX_RATE_MHZ",
    "MIN_RATE_MHZ",
    "NORMALISE_FLOOR_MV",
    "PREPROCESSING_VERSION",
    "RATE_HZ",
    "WINDOW_SAMPLES",
    "WINDOW_SECONDS",
    "SignalError",
    "Windows",
    "bandpass",
    "bandpass_factors",
    "bandpass_matrix",
    "device_samples",
    "interpolate_missing",
    "missing_share",
    "normalise",
    "preprocess",
    "resample",
]
