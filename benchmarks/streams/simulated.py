"""Streams of the simulator: healthy patients, infarcts of every type that begin while watched, and mimics."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.streams.stream import Length, Stream
from services.ingest.synthetic import MIMICS, Patient, case, quantised
from shared.labels import MI_CODES, NORMAL

RATE_MHZ = 250_000
UV_PER_LSB = 5.0
EVOLUTION = 240.0
"""How many times faster than in nature an infarct evolves, as in the demo's ward."""


def crowd(*, each: int, well: int) -> list[str]:
    """The kinds of ``well`` healthy patients, and of ``each`` with every type of infarct and every mimic."""
    return [NORMAL] * well + [kind for kind in (*MI_CODES, *MIMICS) for _ in range(each)]


def simulated(lead: str, length: Length, kinds: Sequence[str], *, seed: int = 0) -> Iterator[Stream]:
    """One patient of each of these kinds."""
    for number, kind in enumerate(kinds):
        spec = case(kind, seed, number, rate_mhz=RATE_MHZ, lead=lead)
        onset_s = length.onset_s if kind in MI_CODES else None
        if onset_s is not None:
            spec = replace(spec, onset_s=onset_s, speed=EVOLUTION)
        samples = Patient(spec).samples(0, round(length.seconds * RATE_MHZ / 1000))
        millivolts = (quantised(samples, UV_PER_LSB) * (UV_PER_LSB / 1000)).astype(np.float32)
        yield Stream(f"simulated-{number}", kind, RATE_MHZ, millivolts, onset_s)
