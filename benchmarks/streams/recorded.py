"""Streams of ten-second recordings: looped as `selfmis ingest replay` loops them, with bouts of recorded noise.

A patient with an infarct is first somebody else, a patient of the same folds without one: no recording here has an
onset. So what a stream tells is how soon a change from one ECG to another is noticed, not how an infarct grows.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.streams.stream import Floats, Length, Stream, looped
from shared.labels import ANY_MI, MI_CODES
from shared.signal import RATE_HZ
from shared.signal_to_noise import noise_gain, qrs_amplitude
from training.evaluate.robustness import Tape
from training.probe.selection import labelled_rows
from training.store import Store

RATE_MHZ = RATE_HZ * 1000
BOUT_S, BOUT_EVERY_S = 30.0, 300.0
BOUT_SNR_DB = (12.0, 6.0)
NORMAL, ABNORMAL = "NORM", "other findings"


def streamable(store: Store, folds: tuple[int, ...], lead: str) -> npt.NDArray[np.int64]:
    """The records of these folds that are labelled and still in millivolts: the gate would refuse others."""
    rows = labelled_rows(store, folds, (lead,))
    in_millivolts: npt.NDArray[np.int64] = rows[store.units[rows] == "mv"]
    return in_millivolts


def recorded(
    store: Store,
    rows: npt.NDArray[np.int64],
    lead: str,
    tapes: Sequence[Tape],
    length: Length,
    *,
    seed: int = 0,
) -> Iterator[Stream]:
    """One stream for each of these `streamable` records, in their order."""
    labels = store.labels(rows)
    ill = labels[:, -1] > 0
    normal = store.statements(["NORM"], rows)[:, 0] > 0
    well = rows[~ill]
    for number, row in enumerate(rows.tolist()):
        random = np.random.default_rng([seed, row])
        name = f"record-{row}"
        if ill[number]:
            before = int(well[random.integers(len(well))])
            parts = ((before, length.onset_s), (row, length.seconds - length.onset_s))
            found = [code for code, there in zip(MI_CODES, labels[number] > 0, strict=False) if there]
            signal = np.concatenate([_looped(store, each, lead, seconds) for each, seconds in parts])
            noisy = _with_bouts(signal, tapes, random)
            yield Stream(name, found[0] if len(found) == 1 else ANY_MI, RATE_MHZ, noisy, length.onset_s)
        else:
            signal = _looped(store, row, lead, length.seconds)
            yield Stream(
                name, NORMAL if normal[number] else ABNORMAL, RATE_MHZ, _with_bouts(signal, tapes, random)
            )


def _looped(store: Store, row: int, lead: str, seconds: float) -> Floats:
    return looped(store.signals(np.array([row]), leads=(lead,))[0, 0], RATE_MHZ, seconds)


def _with_bouts(signal: Floats, tapes: Sequence[Tape], random: np.random.Generator) -> Floats:
    """With a bout of noise every five minutes: of any kind, at 12 or 6 dB below the QRS complexes."""
    out = signal.copy()
    bout, every = round(BOUT_S * RATE_HZ), round(BOUT_EVERY_S * RATE_HZ)
    for begin in range(0, len(signal) - bout + 1, every):
        at = begin + int(random.integers(min(every, len(signal) - begin) - bout + 1))
        tape = tapes[int(random.integers(len(tapes)))]
        noise = _piece(tape, bout, random)
        part = signal[at : at + bout]
        out[at : at + bout] += noise * noise_gain(
            qrs_amplitude(part, RATE_MHZ), 1.0, BOUT_SNR_DB[int(random.integers(len(BOUT_SNR_DB)))]
        )
    return out


def _piece(tape: Tape, samples: int, random: np.random.Generator) -> npt.NDArray[np.float32]:
    channel = tape.channels[int(random.integers(len(tape.channels)))]
    start = int(random.integers(len(channel) - samples + 1))
    return channel[start : start + samples]
