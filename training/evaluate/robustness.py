"""The same records made harder: recorded noise, other device rates, lost packets, a swapped lead."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from shared.quality import Limits, assess
from shared.sections import WindowSettings
from shared.signal import RATE_HZ, WINDOW_SAMPLES, interpolate_missing, missing_share, resample
from shared.signal_to_noise import noise_amplitude, noise_gain, qrs_amplitude
from shared.wfdb import RecordingError, Stretch, read_header, read_stretch
from training.evaluate.data import EvaluationError
from training.evaluate.models import Change, Floats, Rows

NOISES = {"bw": "baseline wander", "em": "electrode motion", "ma": "muscle artefact"}
SNR_DB = (24, 12, 6, 0, -6)
DEVICE_HZ = (125, 250, 360, 512)
LOST_SHARE, PACKET_S = 0.05, 1.0
AS_RECORDED, INVERTED, LOST = "as recorded", "inverted polarity", f"{LOST_SHARE:.0%} of packets lost"
_RATE_MHZ = RATE_HZ * 1000


@dataclass(frozen=True, eq=False)
class Condition:
    """What happens to windows before gate and model see them; ``missing``: the share of each that is gone."""

    name: str
    change: Change | None = None
    missing: Callable[[Rows], Floats] | None = None


@dataclass(frozen=True, eq=False)
class Tape:
    """One kind of recorded noise at 100 Hz, of amplitude 1; both channels one after the other."""

    kind: str
    channels: tuple[Floats, ...]

    def __post_init__(self) -> None:
        if any(len(channel) < WINDOW_SAMPLES for channel in self.channels):
            raise EvaluationError(f"noise {self.kind}: a recording of ten seconds or more is needed")

    def added(self, windows_mv: Floats, rows: Rows, *, snr_db: float, seed: int) -> Floats:
        """Windows (n × leads × 1000, mV) with noise ``snr_db`` below each lead's own QRS complexes.

        Which noise a row gets depends on the seed and the row alone: every ratio, model and batch meets it. A
        window without any QRS (a flat lead) gets none.
        """
        out = windows_mv.copy()
        for number, row in enumerate(rows.tolist()):
            random = np.random.default_rng([seed, row])
            for lead in range(out.shape[1]):
                channel = self.channels[int(random.integers(len(self.channels)))]
                start = int(random.integers(len(channel) - WINDOW_SAMPLES + 1))
                height = qrs_amplitude(windows_mv[number, lead], _RATE_MHZ)
                out[number, lead] += noise_gain(height, 1.0, snr_db) * channel[start : start + WINDOW_SAMPLES]
        return out


def read_tapes(folder: Path, kinds: Sequence[str] = tuple(NOISES)) -> list[Tape]:
    """The noises of the MIT-BIH noise stress test. One that is asked for and cannot be read is one line."""
    tapes = []
    for kind in kinds:
        path = folder / f"{kind}.hea"
        try:
            channels = tuple(_channels(path))
        except RecordingError as error:
            raise EvaluationError(f"noise {path}: {error}") from None
        except OSError as error:
            raise EvaluationError(f"noise {path} cannot be read: {error.strerror}") from None
        tapes.append(Tape(kind, channels))
    return tapes


def variations(tapes: Sequence[Tape], seed: int) -> Iterator[tuple[str, int, "functools.partial[Floats]"]]:
    """Kind, signal-to-noise ratio and what happens to windows, for all of them."""
    for tape in tapes:
        for snr_db in SNR_DB:
            yield tape.kind, snr_db, functools.partial(tape.added, snr_db=snr_db, seed=seed)


def conditions(seed: int) -> list[Condition]:
    """The conditions that need no recording of noise, the untouched one first."""
    return [
        Condition(AS_RECORDED),
        *(Condition(f"from {hertz} Hz", functools.partial(_from_device, hertz=hertz)) for hertz in DEVICE_HZ),
        Condition(LOST, functools.partial(_with_losses, seed=seed), functools.partial(_lost_share, seed=seed)),
        Condition(INVERTED, _inverted),
    ]


def assessable(windows_mv: Floats, missing: Floats | None = None) -> npt.NDArray[np.bool_]:
    """Which windows the quality gate would let the monitor judge: those with every lead accepted.

    ``missing``: the share of each window that was interpolated; what windowing would not let pass is refused.
    """
    count, leads = windows_mv.shape[:2]
    shares = None if missing is None else np.repeat(missing, leads)
    most = WindowSettings().max_missing + 2 / WINDOW_SAMPLES  # as services.inference.engine.scoring has it
    accepted = assess(
        windows_mv.reshape(-1, WINDOW_SAMPLES), missing=shares, limits=replace(Limits(), missing=most)
    ).accept
    return np.asarray(accepted.reshape(count, leads).all(axis=1), np.bool_)


def _from_device(windows_mv: Floats, _rows: Rows, *, hertz: int) -> Floats:
    """As a device of that rate would have sampled them, and back by the monitor's own resampler.

    A recording at 100 Hz holds nothing above 50 Hz: how a device's own high frequencies fold is not tested.
    """
    ratio = Fraction(hertz, RATE_HZ)
    flat = windows_mv.reshape(-1, WINDOW_SAMPLES).astype(np.float64)
    sampled = resample_poly(flat, ratio.numerator, ratio.denominator, axis=1, padtype="line")
    return resample(sampled.astype(np.float32), hertz * 1000).reshape(windows_mv.shape)


def _with_losses(windows_mv: Floats, rows: Rows, *, seed: int) -> Floats:
    """With lost packets filled as the monitor fills them: the same packets of a row, whichever lead and batch."""
    leads = windows_mv.shape[1]
    present = np.repeat(_received(rows, seed), leads, axis=0)
    return interpolate_missing(windows_mv.reshape(-1, WINDOW_SAMPLES), present).reshape(windows_mv.shape)


def _lost_share(rows: Rows, *, seed: int) -> Floats:
    return missing_share(_received(rows, seed))


def _received(rows: Rows, seed: int) -> npt.NDArray[np.bool_]:
    """Which samples arrive (n × 1000). A window begins anywhere within a packet."""
    packet = round(PACKET_S * RATE_HZ)
    arrived = np.empty((len(rows), WINDOW_SAMPLES), np.bool_)
    for number, row in enumerate(rows.tolist()):
        random = np.random.default_rng([seed, row, packet])
        kept = random.uniform(size=WINDOW_SAMPLES // packet + 1) >= LOST_SHARE
        first = int(random.integers(packet))
        arrived[number] = np.repeat(kept, packet)[first : first + WINDOW_SAMPLES]
    return arrived


def _inverted(windows_mv: Floats, _rows: Rows) -> Floats:
    return -windows_mv


def _channels(path: Path) -> Iterator[Floats]:
    header = read_header(path)
    if not header.signals:
        raise RecordingError("a record with signals in one segment is needed")
    for k in range(len(header.signals)):
        # The stress test's headers give no gain: its noise is not calibrated, and need not be.
        yield _unit(read_stretch(path, header, k, calibrated=False))


def _unit(found: Stretch) -> Floats:
    """A channel at 100 Hz, of amplitude 1."""
    if found.missing.any():
        raise RecordingError(f"sample {int(np.argmax(found.missing))} is missing")
    ratio = Fraction(_RATE_MHZ, found.rate_mhz).limit_denominator(1000)
    values = resample_poly(found.values.astype(np.float64), ratio.numerator, ratio.denominator, padtype="line")
    amplitude = noise_amplitude(values, _RATE_MHZ) if len(values) >= RATE_HZ else 0.0
    if amplitude == 0:
        raise RecordingError("it is silent")
    return np.asarray(values / amplitude, np.float32)
