"""Which way up the lead of a patient's newest ten seconds is worn, for JSON."""

import numpy as np

from services.inference.api.trace import Strip
from shared.quality import assess
from shared.quality.polarity import log_odds, words
from shared.signal import device_samples, interpolate_missing, missing_share, resample


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
