"""What a wearable adds to the heart's signal: background, episodes of noise, and faults of the device.

An effect is a small frozen dataclass with times in seconds of the device's own clock. The additive ones give a
signal for any range of samples; the distorting ones change a signal. Both are functions of the sample index alone.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from services.ingest.synthetic.draws import Floats, key, normals, spline_basis, white

Signal = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Span:
    """Samples ``first … first + count`` of a device that runs at ``rate_hz``."""

    first: int
    count: int
    rate_hz: float

    def part(self, start_s: float, stop_s: float) -> tuple[int, int]:
        """Where [start_s, stop_s) lies inside this span, as offsets; empty when both are equal."""
        low = math.ceil(start_s * self.rate_hz - 1e-9) - self.first if math.isfinite(start_s) else 0
        high = math.ceil(stop_s * self.rate_hz - 1e-9) - self.first if math.isfinite(stop_s) else self.count
        low = min(max(low, 0), self.count)
        return low, min(max(high, low), self.count)


def knots(first: int, count: int, steps: int) -> npt.NDArray[np.int64]:
    """Numbers of the knots, one every ``steps`` samples, that a cubic spline over ``first …`` depends on."""
    return np.arange(first // steps - 1, (first + count - 1) // steps + 3)


def spline(values: Floats, first: int, count: int, steps: int) -> Floats:
    """The uniform cubic B-spline through the neighbourhoods of these knots' values, at samples ``first …``."""
    curve = np.lib.stride_tricks.sliding_window_view(values, 4) @ spline_basis(steps)
    return np.asarray(curve.ravel()[first % steps :][:count], np.float64)


def slow_noise(stream: int, first: int, count: int, steps: int) -> Floats:
    """Smooth noise of about unit variance: a cubic B-spline with a random knot every ``steps`` samples."""
    return 1.44 * spline(normals(stream, knots(first, count, steps)), first, count, steps)


def _steps(rate_hz: float, seconds: float) -> int:
    return max(round(rate_hz * seconds), 1)


@dataclass(frozen=True, slots=True)
class Wander:
    """Baseline wander below 0.5 Hz."""

    rms_mv: float = 0.15
    start_s: float = 0.0
    stop_s: float = math.inf
    label: ClassVar[str] = "wander"

    def signal(self, stream: int, first: int, count: int, rate_hz: float) -> Floats:
        """The added millivolts."""
        return self.rms_mv * slow_noise(key(stream, "wander"), first, count, _steps(rate_hz, 1.3))


@dataclass(frozen=True, slots=True)
class Muscle:
    """Muscle noise: broadband, more at high frequencies, swelling and fading."""

    rms_mv: float = 0.05
    start_s: float = 0.0
    stop_s: float = math.inf
    label: ClassVar[str] = "muscle"

    def signal(self, stream: int, first: int, count: int, rate_hz: float) -> Floats:
        """The added millivolts."""
        noise = white(key(stream, "muscle"), first - 1, count + 1)
        swell = slow_noise(key(stream, "swell"), first, count, _steps(rate_hz, 0.4))
        # Above ~20 Hz only: the difference of neighbours, as much of it as the rate calls for.
        keep = math.exp(-2 * math.pi * 20 / rate_hz)
        edged = (noise[1:] - keep * noise[:-1]) / math.sqrt(1 + keep * keep)
        return np.asarray(self.rms_mv * np.exp(0.4 * swell - 0.16) * edged, np.float64)


@dataclass(frozen=True, slots=True)
class Motion:
    """Electrode motion: large, 1-10 Hz, in the band of the ECG itself, in bouts."""

    rms_mv: float = 0.4
    start_s: float = 0.0
    stop_s: float = math.inf
    label: ClassVar[str] = "motion"

    def signal(self, stream: int, first: int, count: int, rate_hz: float) -> Floats:
        """The added millivolts."""
        slow = slow_noise(key(stream, "sway"), first, count, _steps(rate_hz, 0.22))
        fast = slow_noise(key(stream, "jerk"), first, count, _steps(rate_hz, 0.055))
        bout = slow_noise(key(stream, "bout"), first, count, _steps(rate_hz, 1.1))
        return np.asarray(self.rms_mv * (0.85 * slow + 0.5 * fast) * np.exp(0.5 * bout - 0.25), np.float64)


@dataclass(frozen=True, slots=True)
class Mains:
    """Hum of the mains; aliased as it would be where the device samples slowly."""

    amplitude_mv: float = 0.03
    start_s: float = 0.0
    stop_s: float = math.inf
    frequency_hz: float = 50.0
    label: ClassVar[str] = "mains"

    def signal(self, stream: int, first: int, count: int, rate_hz: float) -> Floats:
        """The added millivolts."""
        turns = np.arange(first, first + count) * (self.frequency_hz / rate_hz)
        return np.asarray(self.amplitude_mv * np.sin(2 * np.pi * (turns % 1.0 + (stream % 997) / 997)), np.float64)


@dataclass(frozen=True, slots=True)
class GainError:
    """The device reports ``factor`` times the true voltage."""

    factor: float
    start_s: float = 0.0
    stop_s: float = math.inf
    label: ClassVar[str] = "gain_error"

    def distort(self, x: Signal) -> Signal:
        """The signal as reported."""
        return x * np.float32(self.factor)


@dataclass(frozen=True, slots=True)
class Saturation:
    """The amplifier cannot exceed ``limit_mv`` either way."""

    limit_mv: float = 1.0
    start_s: float = 0.0
    stop_s: float = math.inf
    label: ClassVar[str] = "saturation"

    def distort(self, x: Signal) -> Signal:
        """The signal as reported."""
        return np.clip(x, np.float32(-self.limit_mv), np.float32(self.limit_mv))


@dataclass(frozen=True, slots=True)
class LeadOff:
    """An electrode has come off: a flat line at zero, or the amplifier driven to its rail."""

    start_s: float = 0.0
    stop_s: float = math.inf
    mode: Literal["flat", "rail"] = "flat"
    rail_mv: float = 5.0
    label: ClassVar[str] = "lead_off"

    def distort(self, x: Signal) -> Signal:
        """The signal as reported."""
        return np.full_like(x, self.rail_mv if self.mode == "rail" else 0.0)


@dataclass(frozen=True, slots=True)
class ClockDrift:
    """The device's crystal is off: it samples ``ppm`` millionths faster than it says, from its first sample on."""

    ppm: float
    label: ClassVar[str] = "clock_drift"
    start_s: ClassVar[float] = 0.0
    stop_s: ClassVar[float] = math.inf


Additive = Wander | Muscle | Motion | Mains
Distorting = GainError | Saturation | LeadOff
Effect = Additive | Distorting | ClockDrift


def added(effects: tuple[Additive, ...], stream: int, span: Span) -> Floats | None:
    """The sum of the additive effects over the span for one electrode channel; None when there is nothing."""
    total: Floats | None = None
    for number, effect in enumerate(effects):
        low, high = span.part(effect.start_s, effect.stop_s)
        if low == high:
            continue
        if total is None:
            total = np.zeros(span.count)
        signal = effect.signal(key(stream, number), span.first + low, high - low, span.rate_hz)
        total[low:high] += signal
    return total


def distorted(x: Signal, effects: tuple[Distorting, ...], span: Span) -> Signal:
    """The signal after the device's faults, in the order given."""
    for effect in effects:
        low, high = span.part(effect.start_s, effect.stop_s)
        if low < high:
            x[low:high] = effect.distort(x[low:high])
    return x
