"""Intervals by drawing patients again: how much a figure would move with other patients like these."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from training.metrics.ranking import Floats, MetricError

Interval: TypeAlias = tuple[float, float] | None

DRAWS = 1000
CONFIDENCE = 0.95
_CHUNK_NUMBERS = 1 << 21  # weights held at a time: 16 MiB
_LEAST_DEFINED = 0.5


@dataclass(frozen=True, eq=False)
class Resampling:
    """Draws of as many patients as there are, with replacement; a drawn patient brings all of their records.

    ``patients`` has a number for each record's patient. The same seed gives the same draws, so two models on the
    same records can be compared draw by draw.
    """

    patients: npt.NDArray[np.int64]
    draws: int = DRAWS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draws < 1 or len(self.patients) == 0:
            raise MetricError("a bootstrap needs at least one draw and one record")

    def weights(self) -> Iterator[Floats]:
        """How often each record counts (some draws × records), chunk after chunk."""
        _, patient = np.unique(self.patients, return_inverse=True)
        people = int(patient.max()) + 1
        random = np.random.default_rng(self.seed)
        chunk = max(1, _CHUNK_NUMBERS // len(patient))
        for start in range(0, self.draws, chunk):
            drawn = random.multinomial(people, np.full(people, 1 / people), size=min(chunk, self.draws - start))
            yield drawn[:, patient].astype(np.float64)

    def apply(self, statistic: Callable[[Floats], Floats]) -> Floats:
        """``statistic`` (weights to one row of figures a draw) of every draw."""
        return np.concatenate([statistic(weights) for weights in self.weights()])


def percentile_interval(values: Floats) -> Interval:
    """The middle 95 % of a figure over the draws; None where it is undefined in more than half of them."""
    known = values[~np.isnan(values)]
    if len(known) < max(1.0, _LEAST_DEFINED * len(values)):
        return None
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
