"""Which way up a lead is worn, for JSON: ``upright``, ``inverted``, or nothing where that cannot be told."""

import numpy as np
import numpy.typing as npt

from services.inference.api.trace import Strip
from services.inference.engine.runtimes import Array
from shared.quality import assess, is_upside_down, upside_down
from shared.quality.polarity import WEIGHTS
from shared.signal import device_samples, interpolate_missing, missing_share, resample

UPRIGHT, INVERTED = "upright", "inverted"


def log_odds(windows_mv: Array, good: npt.NDArray[np.bool_], lead: str) -> Array:
    """`shared.quality.upside_down` of the good ones of some windows (n × 1000, at 100 Hz); NaN for the others.

    NaN for all of a lead of which it cannot be told.
    """
    odds = np.full(len(windows_mv), np.nan, np.float32)
    if lead in WEIGHTS and good.any():
        odds[good] = upside_down(windows_mv[good], lead)
    return odds


def mean(odds: Array) -> Array:
    """Of several windows of one recording as one; NaN of none."""
    return odds.mean(keepdims=True) if len(odds) else np.full(1, np.nan, np.float32)


def words(odds: Array, lead: str) -> list[str | None]:
    """Log odds as words; nothing where there are none."""
    if lead not in WEIGHTS:
        return [None] * len(odds)
    turned, known = is_upside_down(odds, lead).tolist(), np.isfinite(odds).tolist()
    return [(INVERTED if over else UPRIGHT) if told else None for over, told in zip(turned, known, strict=True)]


def of_strip(strip: Strip | None, lead: str) -> str | None:
    """Of a patient's newest ten seconds; nothing where there are fewer, or the quality gate refuses them."""
    if strip is None or len(strip.samples) < (length := device_samples(strip.rate_mhz)):
        return None
    counts = np.array([np.nan if count is None else count for count in strip.samples[-length:]], np.float32)
    received = (counts * np.float32(strip.uv_per_lsb / 1000))[None]
    present = ~np.isnan(received)
    window = resample(interpolate_missing(received, present), strip.rate_mhz)
    good = assess(window, missing=missing_share(present)).accept
    return words(log_odds(window, good, lead), lead)[0]
