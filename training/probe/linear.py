"""The linear probe: how much of the ten scores a frozen embedding says by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from shared.labels import SCORE_NAMES
from training.metrics import log_loss
from training.probe.logistic import PENALTIES, Floats, Linear, ProbeError, Standard, path

MIN_VALIDATION_POSITIVES = 5  # with fewer, a statement takes the penalty that suits all together


@dataclass(frozen=True, eq=False)
class Probe:
    """A linear model of the ten scores and the penalty that the validation records chose for each."""

    model: Linear
    penalties: dict[str, float]
    validation_loss: dict[str, float]


def linear_probe(
    training: npt.ArrayLike,
    training_labels: npt.NDArray[np.floating],
    validation: npt.ArrayLike,
    validation_labels: npt.NDArray[np.floating],
    *,
    penalties: Sequence[float] = PENALTIES,
    names: Sequence[str] = SCORE_NAMES,
) -> Probe:
    """Fit on the training embeddings, choose each score's penalty by the log loss on the validation embeddings.

    Refuses (`ProbeError`) records of which none, or each, has a finding at all.
    Costs about 2 ms a record on one core, with 192 features.
    """
    truth, seen = (np.asarray(rows, np.float64) for rows in (training_labels, validation_labels))
    if not len(truth) or not len(seen):
        raise ProbeError("a probe needs records to train on and others to choose its penalty on")
    if not (truth.any(axis=0) & ~truth.all(axis=0)).any():
        raise ProbeError(f"none of the {len(truth)} training records tells one score from another: no positives")
    standard = Standard.of(training)
    features, held_out = standard.apply(training), standard.apply(validation)
    fits = path(features, truth, penalties)
    losses = np.array(
        [
            [log_loss(expit(held_out @ weight[:, i] + bias[i]), seen[:, i]) for i in range(truth.shape[1])]
            for _, weight, bias in fits
        ]
    )
    together = int(losses.sum(axis=1).argmin())
    enough = np.minimum(seen.sum(axis=0), len(seen) - seen.sum(axis=0)) >= MIN_VALIDATION_POSITIVES
    chosen = np.where(enough, losses.argmin(axis=0), together)
    columns = range(truth.shape[1])
    weight = np.stack([fits[chosen[i]][1][:, i] for i in columns], axis=1)
    bias: Floats = np.array([fits[chosen[i]][2][i] for i in columns])
    return Probe(
        standard.undo(weight, bias),
        {name: fits[chosen[i]][0] for i, name in enumerate(names)},
        {name: float(losses[chosen[i], i]) for i, name in enumerate(names)},
    )
