"""The same records made harder: recorded noise at given signal-to-noise ratios, and another lead's view."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from shared.quality import assess
from shared.signal import RATE_HZ, WINDOW_SAMPLES
from shared.signal_to_noise import noise_amplitude, noise_gain, qrs_amplitude
from shared.wfdb import RecordingError, Stretch, read_header, read_stretch
from training.evaluate.data import EvaluationError
from training.evaluate.models import Floats, Rows

NOISES = {"bw": "baseline wander", "em": "electrode motion", "ma": "muscle artefact"}
SNR_DB = (24, 12, 6, 0, -6)
_RATE_MHZ = RATE_HZ * 1000


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


def assessable(windows_mv: Floats) -> npt.NDArray[np.bool_]:
    """Which windows the quality gate would let the monitor judge: those with every lead accepted."""
    count, leads = windows_mv.shape[:2]
    accepted = assess(windows_mv.reshape(-1, WINDOW_SAMPLES)).accept
    return np.asarray(accepted.reshape(count, leads).all(axis=1), np.bool_)


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
