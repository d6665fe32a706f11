"""The probability from which a finding counts as found, for each score, from validation records alone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.errors import SelfmisError
from shared.labels import ANY_MI, SCORE_NAMES
from training.metrics import MetricError, specificity, threshold_at_specificity, youden_threshold

MIN_POSITIVES = 10  # with fewer, where sensitivity and specificity balance is chance


class DecisionError(SelfmisError):
    """Validation records from which no calibration and no threshold can be had."""


@dataclass(frozen=True)
class Rule:
    """``wanted`` None: the largest sensitivity + specificity (Youden); a number: the specificity to reach.

    Types with fewer than `MIN_POSITIVES` take the specificity that any-MI got, for which only records without the
    finding are needed.
    """

    wanted: float | None = None

    def __post_init__(self) -> None:
        if self.wanted is not None and not 0 <= self.wanted < 1:
            raise DecisionError(f"a specificity to aim at is at least 0 and below 1, not {self.wanted:g}")

    @property
    def title(self) -> str:
        """For tables."""
        return "Youden" if self.wanted is None else f"specificity {self.wanted:g}"


def thresholds(
    probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.floating], rule: Rule
) -> dict[str, float]:
    """A threshold for each score. Refuses records without a single infarct, or without a single other."""
    any_mi = SCORE_NAMES.index(ANY_MI)
    try:
        first = _one(probabilities[:, any_mi], labels[:, any_mi], rule.wanted)
        reached = float(specificity(probabilities[:, any_mi], labels[:, any_mi], first))
        found = {}
        for i, name in enumerate(SCORE_NAMES):
            few = min(labels[:, i].sum(), (1 - labels[:, i]).sum()) < MIN_POSITIVES
            wanted = min(reached, 1 - 1e-6) if few and rule.wanted is None else rule.wanted
            found[name] = first if name == ANY_MI else _one(probabilities[:, i], labels[:, i], wanted)
    except MetricError as error:
        raise DecisionError(f"validation records cannot decide: {error}") from None
    return {name: float(np.clip(value, 0.0, 1.0)) for name, value in found.items()}


def _one(probability: npt.NDArray[np.floating], label: npt.NDArray[np.floating], wanted: float | None) -> float:
    if wanted is None:
        return youden_threshold(probability, label)
    return threshold_at_specificity(probability, label, wanted)
