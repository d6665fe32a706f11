"""Every figure at once, as a function of how often each record counts: one bootstrap serves them all."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from shared.labels import ANY_MI, MI_CODES, SCORE_NAMES
from training.evaluate.scored import Floats, Scored
from training.metrics import expected_calibration_error
from training.metrics.ranking import area_under, precision_area, steps

RARE = ("IPLMI", "IPMI", "PMI")
MIN_POSITIVES = 20
"""With fewer a type cannot be judged by itself."""
SIX = tuple(code for code in MI_CODES if code not in RARE)
KINDS = ("auroc", "auprc", "ece", "sensitivity", "specificity")
RANKING = ("auroc",)


@dataclass(frozen=True, eq=False)
class Figures:
    """The figures of some scored records, averaged over the replicates.

    Called with weights (draws × records) it gives draws × `names`: each of ``kinds`` for each score, and the macro
    averages of the AUROC, over the types for which it is defined.
    """

    scored: Scored
    kinds: Sequence[str] = KINDS

    @property
    def macros(self) -> Mapping[str, tuple[str, ...]]:
        """The types in each macro average: nine, the six that are not rare, those with enough positives here."""
        positives = self.scored.labels.sum(axis=0)
        enough = tuple(code for i, code in enumerate(MI_CODES) if positives[i] >= MIN_POSITIVES)
        return MappingProxyType({"macro6": SIX, "macro9": MI_CODES, "macro20": enough})

    @property
    def names(self) -> tuple[str, ...]:
        """Such as ``auroc.IMI`` and ``macro6``, in the order of the columns."""
        return (*(f"{kind}.{score}" for kind in self.kinds for score in SCORE_NAMES), *self.macros)

    def __call__(self, weights: Floats) -> Floats:
        """One row of figures for each row of weights."""
        per_replicate = [self._of(number, weights) for number in range(len(self.scored.probabilities))]
        mean: Floats = np.mean(per_replicate, axis=0)
        return mean

    def of_replicates(self) -> Floats:
        """The figures of each replicate (replicates × `names`), every record counting once."""
        weights = np.ones((1, len(self.scored)))
        return np.stack([self._of(number, weights)[0] for number in range(len(self.scored.probabilities))])

    def _of(self, replicate: int, weights: Floats) -> Floats:
        scored = self.scored
        columns: dict[str, Floats] = {}
        for i, name in enumerate(SCORE_NAMES):
            probability, found = scored.probabilities[replicate, :, i], scored.found[replicate, :, i]
            label = scored.labels[:, i]
            ranked = steps(probability, label, weights)
            columns[f"auroc.{name}"] = area_under(ranked)
            if "auprc" in self.kinds:
                columns[f"auprc.{name}"] = precision_area(ranked)
            if "ece" in self.kinds:
                columns[f"ece.{name}"] = expected_calibration_error(probability, label, weights)
            if "sensitivity" in self.kinds:
                columns[f"sensitivity.{name}"] = _share(weights, found, label > 0)
                columns[f"specificity.{name}"] = _share(weights, ~found, label == 0)
        for macro, types in self.macros.items():
            columns[macro] = _mean([columns[f"auroc.{code}"] for code in types], len(weights))
        return np.stack([columns[name] for name in self.names], axis=1)


def is_few(name: str, positives: float) -> bool:
    """Whether a score has too few positives to be judged by itself; any-MI never is a type."""
    return name != ANY_MI and (name in RARE or positives < MIN_POSITIVES)


def _share(weights: Floats, hit: np.ndarray, among: np.ndarray) -> Floats:
    total = weights @ among.astype(np.float64)
    counted = weights @ (hit & among).astype(np.float64)
    share: Floats = np.divide(counted, total, out=np.full(total.shape, np.nan), where=total > 0)
    return share


def _mean(areas: list[Floats], draws: int) -> Floats:
    if not areas:
        return np.full(draws, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a draw in which no type has positives is undefined
        mean: Floats = np.nanmean(np.stack(areas), axis=0)
    return mean
