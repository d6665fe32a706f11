"""A recording scored as the stream would be: the same windows, gaps, resampling, quality gate and model."""

from collections.abc import Callable
from typing import Any

import numpy as np

from services.inference.api.patient_json import ANY_MI, OUTCOMES, scores_view
from services.inference.api.uploads import Recording, Unreadable
from services.inference.engine import Scored, score
from services.inference.engine.runtimes import Array
from services.inference.windows import WINDOW, Block, Cut, Outcome, Rules
from services.inference.windows.rules import Geometry
from shared.labels import SCORE_NAMES
from shared.quality.polarity import log_odds, words

MOST_WINDOWS = 20_000
_AT_ONCE = 64


def windows_of(recording: Recording, rules: Rules) -> int:
    """How many whole windows a recording holds; refuses none, and too many."""
    geometry = Geometry.at(recording.rate_mhz, rules)
    length = len(recording.millivolts)
    count = 0 if length < geometry.samples else geometry.begun(length - geometry.samples + 1)
    if not count:
        raise Unreadable("it is shorter than the ten seconds of one window")
    if count > MOST_WINDOWS:
        raise Unreadable(f"it has more than {MOST_WINDOWS} windows: cut it into parts")
    return count


def scored(
    recording: Recording, rules: Rules, engine: Callable[[Array], Array], *, lead: str, max_missing: float
) -> dict[str, Any]:
    """Windows and a summary for JSON. ``lead``: what the recording is of. Costs about a millisecond a window."""
    geometry = Geometry.at(recording.rate_mhz, rules)
    windows: list[dict[str, Any]] = []
    odds: list[Array] = []
    total = windows_of(recording, rules)
    for first in range(0, total, _AT_ONCE):
        cut = _cut(recording, geometry, range(first, min(total, first + _AT_ONCE)))
        (found,) = score([cut], engine, max_missing=max_missing)
        turned = log_odds(found.strips, found.assessed, lead)
        odds.append(turned[found.assessed])
        told = words(turned, lead)
        windows += [_view(cut, found, row) | {"polarity": told[row]} for row in range(len(found))]
    # They are of one electrode, so their mean decides.
    together = np.concatenate(odds)
    (whole,) = words(together.mean() if len(together) else np.nan, lead)
    summary = _summary(windows, len(recording.millivolts) / recording.rate_mhz * 1000)
    return {"windows": windows, "summary": summary | {"polarity": whole}}


def _cut(recording: Recording, geometry: Geometry, numbers: range) -> Cut:
    """Those windows, as windowing cuts them from a stream."""
    starts = geometry.starts(np.array(numbers, np.int64))
    samples = np.stack([recording.millivolts[start : start + geometry.samples] for start in starts.tolist()])
    missing = np.isnan(samples).sum(axis=1)
    table = np.zeros(len(numbers), WINDOW)
    table["window"], table["windows"], table["first"] = numbers, 1, starts
    table["rate_mhz"], table["missing"] = geometry.rate_mhz, missing
    whole = np.where(missing <= geometry.limit, Outcome.GAPPED, Outcome.UNASSESSABLE)
    table["outcome"] = np.where(missing == 0, Outcome.COMPLETE, whole)
    kept = np.flatnonzero(missing <= geometry.limit)
    return Cut(table, (Block(geometry.rate_mhz, kept, samples[kept]),) if kept.size else ())


def _view(cut: Cut, found: Scored, row: int) -> dict[str, Any]:
    window, quality = cut.windows[row], float(found.quality[row])
    return {
        "start_s": round(int(window["first"]) * 1000 / int(window["rate_mhz"]), 6),
        "outcome": OUTCOMES[int(window["outcome"])],
        "quality": round(quality, 6) if np.isfinite(quality) else None,
        "scores": scores_view(found.probabilities[row].tolist()) if found.assessed[row] else None,
    }


def _summary(windows: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    scores = np.array([[w["scores"][name] for name in SCORE_NAMES] for w in windows if w["scores"] is not None])
    if not len(scores):
        means: dict[str, Any] = dict.fromkeys(("any_mi_mean", "any_mi_max", "type"))
    else:
        means = {
            "any_mi_mean": round(float(scores[:, ANY_MI].mean()), 6),
            "any_mi_max": round(float(scores[:, ANY_MI].max()), 6),
            "type": SCORE_NAMES[int(np.argmax(scores[:, :ANY_MI].mean(axis=0)))],
        }
    return {"seconds": round(seconds, 3), "windows": len(windows), "scored": len(scores), **means}
