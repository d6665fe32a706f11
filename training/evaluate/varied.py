"""What becomes of the figures when the tested windows are varied, with the quality gate off and on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from training.evaluate.figures import RANKING
from training.evaluate.members import Member
from training.evaluate.models import Rows, signals_of
from training.evaluate.results import Measured, brief
from training.evaluate.robustness import Condition, Tape, assessable, conditions, variations
from training.evaluate.scored import Scored, score
from training.metrics import Resampling
from training.progress import Progress
from training.store import Store

CLOSE_UP_DB = (12, 6)
"""The ratios of the recorded noises that the one table of all conditions shows."""


class Varied:
    """Some models, rows of a store, and one bootstrap of them."""

    def __init__(
        self, replicates: Sequence[Sequence[Member]], store: Store, rows: Rows, *, draws: int, seed: int
    ) -> None:
        self._replicates, self._store, self._rows = replicates, store, rows
        self._draws, self._seed = draws, seed
        self._resampling = Resampling(store.patients[rows], draws, seed)

    def noise(self, tapes: Sequence[Tape]) -> dict[str, Any]:
        """Of each noise at each ratio."""
        steps = list(variations(tapes, self._seed))
        progress = Progress("noise", len(steps) * len(self._rows), "records")
        found: dict[str, Any] = {}
        for kind, snr_db, change in steps:
            found.setdefault(kind, {})[str(snr_db)] = self.under(Condition(f"{kind} {snr_db} dB", change))
            progress.advance(len(self._rows))
        progress.close()
        return found

    def conditions(self) -> dict[str, Any]:
        """Of each condition that needs no noise."""
        told = conditions(self._seed)
        progress = Progress("conditions", len(told) * len(self._rows), "records")
        found: dict[str, Any] = {}
        for condition in told:
            found[condition.name] = self.under(condition)
            progress.advance(len(self._rows))
        progress.close()
        return found

    def under(self, condition: Condition, leads: tuple[str, ...] | None = None) -> dict[str, Any]:
        """`brief` of all windows, and under ``assessable`` of those that pass the gate, with their share."""
        scored = score(self._replicates, self._store, self._rows, leads=leads, change=condition.change)
        good = self._assessable(condition, leads)
        undefined = {"auroc": None, "ci": None}
        passed: dict[str, Any] = {"n": int(good.sum()), "any_mi": undefined, "macro6": undefined}
        if 0 < scored.labels[good, -1].sum() < good.sum():
            passed = self._of(scored.subset(good))
        measured = brief(Measured(scored, self._resampling, RANKING))
        return measured | {"assessable": {"share": float(good.mean()), **passed}}

    def _of(self, part: Scored) -> dict[str, Any]:
        return brief(Measured(part, Resampling(part.patients, self._draws, self._seed), RANKING))

    def _assessable(self, condition: Condition, leads: tuple[str, ...] | None) -> npt.NDArray[np.bool_]:
        shown = leads or self._replicates[0][0].model.leads
        windows = np.concatenate(list(signals_of(self._store, self._rows, shown, condition.change)))
        return assessable(windows, None if condition.missing is None else condition.missing(self._rows))


def overview(results: dict[str, Any], own: str | None) -> dict[str, dict[str, Any]]:
    """Everything that was varied, each with its figures: conditions, noises at `CLOSE_UP_DB`, other leads."""
    found = dict(results.get("conditions", {}))
    for kind, ratios in results.get("noise", {}).items():
        found |= {f"{kind} noise, {snr} dB": ratios[str(snr)] for snr in CLOSE_UP_DB if str(snr) in ratios}
    leads = results.get("leads", {})
    return found | {f"lead {lead}": each for lead, each in leads.items() if lead != own and "assessable" in each}
