"""Figures with intervals as the one JSON object that tables, plots, the export and other programs read."""

import math
from typing import Any

import numpy as np

from shared.labels import ANY_MI, MI_CODES, SCORE_NAMES
from training.evaluate.data import EvaluationError
from training.evaluate.figures import KINDS, RANKING, Figures, is_few
from training.evaluate.scored import Floats, Scored
from training.metrics import Interval, Resampling, percentile_interval, reliability
from training.metrics.reliability import BINNING

MIN_FOR_INTERVAL = 5
"""Records with, or without, a finding below which a figure about them has no interval."""

MACROS = ("macro6", "macro9", "macro20")


class Measured:
    """The figures of some scored records: values, one column of draws each, and their intervals."""

    def __init__(self, scored: Scored, resampling: Resampling, kinds: tuple[str, ...] = KINDS) -> None:
        figures = Figures(scored, kinds)
        self.scored, self.figures, self.names = scored, figures, figures.names
        self.replicates = figures.of_replicates()
        self.values = self.replicates.mean(axis=0)
        self.draws = resampling.apply(figures)

    def value(self, name: str) -> float | None:
        """A figure; None where it is undefined."""
        return _number(self.values[self.names.index(name)])

    def interval(self, name: str) -> list[float] | None:
        """Its interval; None where it has none."""
        return _interval(percentile_interval(self.draws[:, self.names.index(name)]))

    def of(self, name: str) -> dict[str, Any]:
        """``auroc`` and ``ci`` of a figure; with several replicates each one's value and their spread."""
        return {"auroc": self.value(name), "ci": self.interval(name), **self.spread(name)}

    def spread(self, name: str) -> dict[str, Any]:
        """The value of each replicate and their standard deviation; nothing where there is one."""
        values = self.replicates[:, self.names.index(name)]
        if len(values) == 1:
            return {}
        return {"seeds": [_number(value) for value in values], "sd": _number(values.std(ddof=1))}


def summary(measured: Measured) -> dict[str, Any]:
    """Any-MI, the macro averages, the types, calibration, and what the shipped threshold does.

    ``n`` is the number of records, ``positives`` of those with the finding, ``few`` marks a type that these
    records cannot judge by itself.
    """
    scored = measured.scored
    positives = dict(zip(SCORE_NAMES, scored.labels.sum(axis=0).astype(int).tolist(), strict=True))
    any_mi = _score(measured, ANY_MI, positives[ANY_MI])
    return {
        "any_mi": any_mi,
        **{name: _macro(measured, name, positives) for name in MACROS},
        "types": {
            code: _score(measured, code, positives[code]) | {"few": is_few(code, positives[code])}
            for code in MI_CODES
        },
        "ece": any_mi["ece"],
        "ece_ci": any_mi["ece_ci"],
        "ece_binning": BINNING,
        "sensitivity": any_mi["sensitivity"],
        "sensitivity_ci": any_mi["sensitivity_ci"],
        "specificity": any_mi["specificity"],
        "specificity_ci": any_mi["specificity_ci"],
        "reliability": _reliability(scored),
        "folds": _by_fold(scored),
    }


def difference(measured: Measured, other: Measured) -> dict[str, Any]:
    """What ``measured`` has more than ``other`` on the same records, draw by draw.

    ``p`` is two-sided: twice the smaller share of draws on either side of no difference.
    """
    if not np.array_equal(measured.scored.rows, other.scored.rows):
        raise EvaluationError("two models can only be compared on the same records")
    found = {}
    for name in (f"auroc.{ANY_MI}", *MACROS, *(f"auroc.{code}" for code in MI_CODES)):
        column = measured.names.index(name)
        draws = measured.draws[:, column] - other.draws[:, column]
        known = draws[~np.isnan(draws)]
        sides = [float((known <= 0).mean()), float((known >= 0).mean())] if len(known) else []
        found["any_mi" if name == f"auroc.{ANY_MI}" else name.removeprefix("auroc.")] = {
            "difference": _number(measured.values[column] - other.values[column]),
            "ci": _interval(percentile_interval(draws)),
            "p": min(1.0, 2 * min(sides)) if sides else None,
        }
    return found


def brief(measured: Measured) -> dict[str, Any]:
    """Any-MI and the macro average alone, for a variation of the test. ``measured`` needs the ranking only."""
    return {
        "n": len(measured.scored),
        "any_mi": measured.of("auroc.MI"),
        "macro6": measured.of("macro6"),
    }


def _score(measured: Measured, name: str, positives: int) -> dict[str, Any]:
    n = len(measured.scored)
    found: dict[str, Any] = {**measured.of(f"auroc.{name}"), "n": n, "positives": positives}
    for kind in KINDS:
        if kind not in RANKING:
            found[kind] = measured.value(f"{kind}.{name}")
            found[f"{kind}_ci"] = measured.interval(f"{kind}.{name}")
    # A bootstrap of a handful draws the same handful again and again: it would promise far too much.
    few = (
        *(("ci", "auprc_ci", "sensitivity_ci") if positives < MIN_FOR_INTERVAL else ()),
        *(("ci", "specificity_ci") if n - positives < MIN_FOR_INTERVAL else ()),
    )
    return found | dict.fromkeys(few)


def _macro(measured: Measured, name: str, positives: dict[str, int]) -> dict[str, Any]:
    types = measured.figures.macros[name]
    n = len(measured.scored)
    return {
        **measured.of(name),
        "n": n,
        "types": [code for code in types if 0 < positives[code] < n],
        "undefined": [code for code in types if not 0 < positives[code] < n],
    }


def _reliability(scored: Scored) -> dict[str, Any]:
    """The bins of any-MI, averaged over replicates by putting their records together."""
    times = len(scored.probabilities)
    found = reliability(scored.probabilities[:, :, -1].ravel(), np.tile(scored.labels[:, -1], times))
    return {
        "n": [round(float(weight) / times, 3) for weight in found.weight],
        "predicted": [_number(value) for value in found.predicted],
        "observed": [_number(value) for value in found.observed],
    }


def _by_fold(scored: Scored) -> dict[str, Any]:
    by_fold = {}
    for fold in np.unique(scored.folds).tolist():
        part = scored.subset(scored.folds == fold)
        figures = Figures(part, RANKING)
        values = dict(zip(figures.names, figures.of_replicates().mean(axis=0), strict=True))
        by_fold[str(fold)] = {
            "n": len(part),
            "positives": int(part.labels[:, -1].sum()),
            "any_mi": _number(values["auroc.MI"]),
            "macro6": _number(values["macro6"]),
        }
    return by_fold


def _number(value: float | Floats) -> float | None:
    plain = float(value)
    return None if math.isnan(plain) else plain


def _interval(interval: Interval) -> list[float] | None:
    return None if interval is None else list(interval)
