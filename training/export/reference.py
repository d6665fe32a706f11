"""The scores that a model gives on recordings it did not learn from: what those on a ward are laid beside."""

import numpy as np

from shared.artefact import ScoreReference
from shared.score_histogram import buckets
from training.classifier import TrainedRun, applied, windows_of
from training.decision import Decision, probabilities
from training.probe.selection import labelled_rows
from training.store import Store


def reference_scores(run: TrainedRun, store: Store, decision: Decision) -> ScoreReference | None:
    """The any-MI scores of the validation records that decided calibration and thresholds, counted.

    None if ``store`` has none of those records: a reference of other recordings would say what is not so.
    """
    rows = labelled_rows(store, decision.folds, run.leads)
    if len(rows) != decision.records:
        return None
    logits = np.concatenate(list(applied(run.classifier, windows_of(store, rows, run.leads), device="cpu")))
    any_mi = probabilities(logits, decision.calibration)[:, -1]
    folds, positives = ", ".join(map(str, decision.folds)), decision.positives["MI"]
    return ScoreReference(
        counts=tuple(buckets(any_mi).tolist()),
        sum=float(any_mi.sum()),
        on=f"{len(rows):,} validation records, fold {folds}, of which {positives:,} with an infarct",
    )
