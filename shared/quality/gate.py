"""The quality gate: is this window worth the model's opinion, how good is it, and if not, why?

Each check turns a measure into an *excess*: the measure over its limit, so that 1 is the limit, whatever the
unit. Facts (missing samples, lead off, flat, clipped) refuse a window alone; evidence of noise adds up as the
root of the sum of squares. The larger of the two, x, decides: accepted if x ≤ 1. The score is 2^(−x): 1 is
perfect, 0.5 is the edge. Rhythm alone never refuses an arrhythmia: the limits on rate and RR spread lie beyond
what atrial fibrillation or extrasystoles reach.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.quality.beats import rhythm
from shared.quality.contact import clipped_share, drift, hiss, stuck_share, typical_height
from shared.quality.limits import Limits
from shared.quality.reasons import FACTS, REASONS, Reason
from shared.signal.bandpass import bandpassed_down
from shared.signal.operator import ROWS, chunks
from shared.signal.window import SignalError, Windows, as_windows

Vector = npt.NDArray[np.float32]

_WORST = np.float32(1e3)  # keeps an excess finite
_TINY = np.float32(1e-6)
_BITS = np.array([int(reason) for reason in REASONS], np.int64)


@dataclass(frozen=True)
class Quality:
    """The gate's findings, one row a window."""

    accept: npt.NDArray[np.bool_]
    score: Vector
    """In [0, 1], higher is better; 0.5 is the edge of acceptance."""
    reasons: npt.NDArray[np.uint16]
    """`Reason` bits; 0 where accepted."""
    excess: Vector
    """(n × `REASONS`): each measure over its limit."""
    rate_bpm: Vector
    """Heart rate from the median RR interval; 0 where fewer than two beats were found."""

    def __len__(self) -> int:
        return len(self.accept)

    def main_reason(self, row: int) -> Reason | None:
        """The reason of highest priority for refusing a window; None where it was accepted."""
        bits = int(self.reasons[row])
        return Reason(bits & -bits) if bits else None


def assess(
    windows: npt.ArrayLike,
    *,
    bandpassed: npt.ArrayLike | None = None,
    missing: npt.ArrayLike | None = None,
    clipped: npt.ArrayLike | None = None,
    limits: Limits | None = None,
) -> Quality:
    """Judge windows (n × 1000, raw millivolts at 100 Hz, gaps interpolated).

    ``bandpassed``: the same windows after `shared.signal.bandpass`, computed here if not given.
    ``missing``: the share of samples each window lacked; none if not given.
    ``clipped``: `clipped_share` of the device's own samples; taken from ``windows`` if not given, and weaker.
    A window with a value that is not finite counts as wholly missing. Rows do not depend on their neighbours.
    Costs about 15 µs a window in batches of 64 and more, without the band-pass.
    """
    raw = as_windows(windows)
    limits = Limits() if limits is None else limits
    count = len(raw)
    absent = _per_window(missing, count, "missing")
    broken = ~np.isfinite(raw.sum(axis=1))
    if broken.any():
        raw = np.where(broken[:, None], np.float32(0), raw)
        absent = np.where(broken, np.float32(1), absent)
        bandpassed = None
    rails = clipped_share(raw) if clipped is None else _per_window(clipped, count, "clipped")
    excess = np.empty((count, len(REASONS)), np.float32)
    rate = np.empty(count, np.float32)
    for rows, chunk, clean, clean_down in _chunks(raw, bandpassed):
        kept = rows.stop - rows.start
        part, bpm = _measured(chunk, clean, clean_down, limits)
        excess[rows], rate[rows] = part[:kept], bpm[:kept]
    excess[:, REASONS.index(Reason.MISSING)] = absent / np.float32(limits.missing)
    excess[:, REASONS.index(Reason.CLIPPED)] = rails / np.float32(limits.clipped)
    np.minimum(excess, _WORST, out=excess)
    accept, score, reasons = verdict(excess)
    return Quality(accept, score, reasons, excess, rate)


def verdict(excess: Vector) -> tuple[npt.NDArray[np.bool_], Vector, npt.NDArray[np.uint16]]:
    """Accept, score and reasons from excesses: facts stand alone, evidence adds up as a root of squares.

    Where only the sum is too much, the reason is its largest part.
    """
    facts, evidence = excess[:, :FACTS], excess[:, FACTS:]
    total = np.maximum(facts.max(axis=1), np.sqrt(np.einsum("ij,ij->i", evidence, evidence)))
    accept = total <= 1
    over = excess > 1
    summed = np.flatnonzero(~accept & ~over.any(axis=1))
    over[summed, FACTS + evidence[summed].argmax(axis=1)] = True
    return accept, np.exp2(-total), (over @ _BITS).astype(np.uint16)


def _chunks(raw: Windows, bandpassed: npt.ArrayLike | None) -> Iterator[tuple[slice, Windows, Windows, Windows]]:
    """Each chunk's rows, raw samples, and what the band-pass leaves of them: windows as rows, and as columns.

    The band-pass is taken chunk by chunk, so that what it gives is looked at while it is in the cache.
    """
    if bandpassed is None:
        for rows, chunk in chunks(raw):
            down = bandpassed_down(chunk)
            yield rows, chunk, np.ascontiguousarray(down.T), down
        return
    filtered = as_windows(bandpassed)
    if len(filtered) != len(raw):
        raise SignalError(f"{len(filtered)} band-passed windows for {len(raw)} windows")
    for (rows, chunk), (_, clean) in zip(chunks(raw), chunks(filtered), strict=True):
        yield rows, chunk, clean, np.ascontiguousarray(clean.T)


def _measured(chunk: Windows, clean: Windows, clean_down: Windows, limits: Limits) -> tuple[Vector, Vector]:
    """The excesses of one chunk (missing and clipped left at 0) and its heart rates."""
    height = typical_height(clean)
    scale = np.maximum(height, np.float32(limits.amplitude_mv))
    beats = rhythm(clean, clean_down)
    measures = {
        Reason.LEAD_OFF: stuck_share(chunk) / limits.stuck,
        Reason.FLAT: limits.amplitude_mv / np.maximum(height, _TINY),
        Reason.BASELINE: drift(chunk) / scale / limits.baseline,
        Reason.ARTEFACT: beats.burst / limits.artefact,
        Reason.HIGH_FREQUENCY: hiss(clean) / scale / limits.high_frequency,
        # Within the limits a fast or a slow heart is no worse than another, so these count only beyond them.
        Reason.NO_BEATS: np.where(
            beats.beats < limits.min_beats,
            limits.min_beats / np.maximum(beats.beats, np.float32(0.5)),
            beats.between / limits.between,
        ),
        Reason.IMPLAUSIBLE_RATE: np.where(
            beats.rate_bpm > limits.rate_bpm, beats.rate_bpm / limits.rate_bpm, beats.rr_spread / limits.rr_spread
        ),
        Reason.DISAGREEMENT: beats.disagreement / limits.disagreement,
        Reason.IRREGULAR_TEMPLATE: beats.template / limits.template,
    }
    excess = np.zeros((ROWS, len(REASONS)), np.float32)
    for column, reason in enumerate(REASONS):
        if reason in measures:
            excess[:, column] = measures[reason]
    return excess, beats.rate_bpm


def _per_window(values: npt.ArrayLike | None, count: int, name: str) -> Vector:
    """A share for each window, checked."""
    if values is None:
        return np.zeros(count, np.float32)
    shares = np.asarray(values, np.float32)
    if shares.shape != (count,) or not ((shares >= 0) & (shares <= 1)).all():
        raise SignalError(f"{name} must be one share (0–1) for each of {count} windows")
    return shares
