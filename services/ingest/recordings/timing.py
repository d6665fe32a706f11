"""The sampling rate in a column of times, and whether the times are those of a steady clock."""

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from shared.wfdb import RecordingError

# A step as long as one and a half means a missing sample; rounding to ms at 512 Hz makes steps of 1 and 2 ms.
LONGEST_STEP = 1.5


def rate_of(seconds: npt.NDArray[np.float64]) -> Fraction:
    """Samples per second, of times that advance by about the same step throughout.

    Times rounded by a logger leave the rate uncertain by a little; if a whole number of
    hertz lies within that, it is taken. Refuses (`RecordingError`) times that stand still,
    go back or leave out a sample.
    """
    if len(seconds) < 3:
        raise RecordingError("too few times to tell a sampling rate")
    if not np.isfinite(seconds).all():
        raise RecordingError(f"no time at sample {int(np.argmin(np.isfinite(seconds)))}")
    steps = np.diff(seconds)
    usual = float(np.median(steps))
    if steps.min() <= 0:
        raise RecordingError(f"time does not advance at sample {int(np.argmin(steps)) + 1}: give the rate instead")
    if steps.max() >= LONGEST_STEP * usual:
        at = int(np.argmax(steps))
        raise RecordingError(
            f"time jumps by {steps[at]:.6g} s after sample {at}, its usual step is {usual:.6g} s: "
            "cut it there, or give the rate if the samples are complete"
        )
    span = float(seconds[-1] - seconds[0])
    n = len(steps)
    rate = n / span
    # Each end is off by as much as any sample is off the even grid.
    even = seconds[0] + np.arange(n + 1) * (span / n)
    uncertain = 2 * float(np.abs(seconds - even).max()) / span * rate + 1e-6
    if abs(rate - round(rate)) <= uncertain:
        return Fraction(round(rate))
    return Fraction(rate)
