"""Recorded noise for replayed patients: baseline wander, electrode motion and muscle of the MIT-BIH stress test.

Each patient gets one channel of one of the noise records, from a place of its own,
decided by the seed and the patient's name: so the same patient has the same noise in
every run, and what a frame holds depends on its index alone.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from services.ingest.recordings.recording import Recording
from services.ingest.recordings.seam import Loop, crossfaded
from services.ingest.recordings.tracks import Tracks
from shared.signal_to_noise import noise_amplitude, noise_gain, qrs_amplitude
from shared.wfdb import RecordingError, read_header, read_stretch

KINDS = ("bw", "em", "ma")
FADE_S = 1.0
SHORTEST_S = 10.0
MIN_SNR_DB, MAX_SNR_DB = -40.0, 80.0


@dataclass(frozen=True, eq=False)
class NoiseRecord:
    """One channel of a noise record; its unit does not matter, for it is scaled to the signal."""

    rate_mhz: int
    values: npt.NDArray[np.float32]

    def at(self, rate_mhz: int) -> Loop:
        """A loop of it at another rate, of amplitude 1 (see `signal_to_noise`).

        The ratio of the rates is taken to one part in a million.
        """
        ratio = Fraction(rate_mhz, self.rate_mhz).limit_denominator(1000)
        values = resample_poly(self.values, ratio.numerator, ratio.denominator, padtype="line")
        amplitude = noise_amplitude(values, rate_mhz)
        fade = round(FADE_S * rate_mhz / 1000)
        return crossfaded((values / amplitude).astype(np.float32), fade, len(values), fade)


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise to be added at ``snr_db`` to every patient. `open_noise` makes one."""

    records: tuple[NoiseRecord, ...]
    snr_db: float
    seed: int

    def tracks(self, patients: Sequence[bytes], rate_mhz: int, longest: int) -> Tracks:
        """A noise of amplitude 1 for each patient, frame by frame."""
        tapes = [record.at(rate_mhz) for record in self.records]
        tape = np.empty(len(patients), np.intp)
        offset = np.empty(len(patients), np.int64)
        for i, patient in enumerate(patients):
            random = np.random.default_rng([self.seed, zlib.crc32(patient)])
            tape[i] = random.integers(len(tapes))
            offset[i] = random.integers(len(tapes[tape[i]].samples))
        return Tracks(tapes, tape, offset, longest)

    def gain(self, recording: Recording) -> float:
        """Counts of this recording that a noise of amplitude 1 is multiplied by."""
        return noise_gain(qrs_amplitude(recording.counts, recording.rate_mhz), 1.0, self.snr_db)


def open_noise(folder: Path, *, snr_db: float, kinds: Sequence[str] = ("em",), seed: int = 0) -> Noise:
    """Read noise records (``bw``, ``em``, ``ma`` of the MIT-BIH noise stress test, or any WFDB record there).

    Refuses (`RecordingError`, one line that names the file) what cannot be read; noise that
    was asked for is never left out silently.
    """
    if not MIN_SNR_DB <= snr_db <= MAX_SNR_DB:
        raise RecordingError(f"a signal-to-noise ratio is {MIN_SNR_DB:g} to {MAX_SNR_DB:g} dB, not {snr_db:g}")
    if seed < 0:
        raise RecordingError(f"a seed is 0 or more, not {seed}")
    records: list[NoiseRecord] = []
    for kind in kinds:
        path = folder / f"{kind}.hea"
        try:
            records.extend(_channels(path))
        except RecordingError as error:
            raise RecordingError(f"noise {path}: {error}") from None
        except OSError as error:
            raise RecordingError(f"noise {path} cannot be read: {error.strerror}") from None
    if not records:
        raise RecordingError(f"no kind of noise is named: {', '.join(KINDS)} are in the MIT-BIH noise stress test")
    return Noise(tuple(records), snr_db, seed)


def _channels(path: Path) -> list[NoiseRecord]:
    header = read_header(path)
    if not header.signals:
        raise RecordingError("a record with signals in one segment is needed")
    channels = []
    for k in range(len(header.signals)):
        # The stress test's headers give no gain: its noise is not calibrated, and need not be.
        found = read_stretch(path, header, k, calibrated=False)
        if found.missing.any():
            raise RecordingError(f"sample {int(np.argmax(found.missing))} is missing")
        if len(found.values) * 1000 < SHORTEST_S * found.rate_mhz:
            raise RecordingError(f"at least {SHORTEST_S:g} s of noise are needed")
        record = NoiseRecord(found.rate_mhz, found.values.astype(np.float32))
        if noise_amplitude(record.values, record.rate_mhz) == 0:
            raise RecordingError("it is silent")
        channels.append(record)
    return channels
