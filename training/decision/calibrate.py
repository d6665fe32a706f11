"""From logits to probabilities that mean what they say: as they are, one temperature, or slope and intercept.

All are ``sigmoid(slope · logit + intercept)``. Which one is taken is decided on the validation records alone, by
the log loss in a patient-wise cross-validation over them: more freedom is taken only where it pays.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from shared.artefact import CalibrationRecord
from shared.labels import SCORE_NAMES
from training.metrics import log_loss

Floats: TypeAlias = npt.NDArray[np.float64]
Method: TypeAlias = Literal["none", "temperature", "platt"]
Curve: TypeAlias = tuple[Floats, Floats]
"""Slope and intercept of each score."""

PARTS = 5
# A slope is as likely doubled as halved, and hardly ever ten times off: what few positives cannot overrule.
SLOPE_SPREAD = float(np.log(2))


def probabilities(logits: npt.ArrayLike, record: CalibrationRecord) -> Floats:
    """Calibrated probabilities of logits (n × `SCORE_NAMES`)."""
    slope, intercept = (
        np.array([values[name] for name in SCORE_NAMES]) for values in (record.slope, record.intercept)
    )
    calibrated: Floats = expit(np.asarray(logits, np.float64) * slope + intercept)
    return calibrated


def calibrate(
    logits: npt.ArrayLike, labels: npt.ArrayLike, patients: npt.NDArray[np.int64], *, seed: int = 0
) -> tuple[CalibrationRecord, dict[Method, float]]:
    """The method with the least cross-validated log loss, fitted on all records; and that loss of each method."""
    z, y = np.asarray(logits, np.float64), np.asarray(labels, np.float64)
    part = _parts(patients, seed)
    losses: dict[Method, float] = {}
    for method, fitted in METHODS.items():
        seen = np.empty_like(z)
        for number in np.unique(part):
            out = part == number
            slope, intercept = fitted(z[~out], y[~out]) if not out.all() else fitted(z[:0], y[:0])
            seen[out] = expit(z[out] * slope + intercept)
        losses[method] = float(np.mean([log_loss(seen[:, i], y[:, i]) for i in range(z.shape[1])]))
    best = min(losses, key=lambda method: losses[method])  # of equals the one with the least freedom, named first
    slope, intercept = METHODS[best](z, y)
    named = (dict(zip(SCORE_NAMES, values.tolist(), strict=True)) for values in (slope, intercept))
    return CalibrationRecord(method=best, slope=next(named), intercept=next(named)), losses


def unchanged(logits: Floats, _labels: Floats) -> Curve:
    """Logits as they are."""
    return np.ones(logits.shape[1]), np.zeros(logits.shape[1])


def temperature(logits: Floats, labels: Floats) -> Curve:
    """One slope for all scores."""
    if not len(logits):
        return unchanged(logits, labels)

    def loss(log_slope: Floats) -> tuple[float, Floats]:
        z = logits * np.exp(log_slope[0])
        value = (np.logaddexp(0, z) - labels * z).sum() + _prior(log_slope[0])
        gradient = ((expit(z) - labels) * z).sum() + log_slope[0] / SLOPE_SPREAD**2
        return float(value), np.array([gradient])

    slope = float(np.exp(minimize(loss, np.zeros(1), jac=True, method="L-BFGS-B").x[0]))
    return np.full(logits.shape[1], slope), np.zeros(logits.shape[1])


def platt(logits: Floats, labels: Floats) -> Curve:
    """A slope above 0 and an intercept for each score, with Platt's targets: never quite 0 or 1.

    Without a single positive the slope stays near 1 and the intercept says how rare the finding is.
    """
    if not len(logits):
        return unchanged(logits, labels)
    curves = [_platt(logits[:, i], labels[:, i]) for i in range(logits.shape[1])]
    slopes, intercepts = np.array(curves).T
    return slopes, intercepts


def _platt(logit: Floats, label: Floats) -> tuple[float, float]:
    positives = label.sum()
    target = np.where(label > 0, (positives + 1) / (positives + 2), 1 / (len(label) - positives + 2))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        log_slope, intercept = parameters
        bent = logit * np.exp(log_slope)
        z = bent + intercept
        value = (np.logaddexp(0, z) - target * z).sum() + _prior(log_slope)
        residual = expit(z) - target
        return float(value), np.array([(residual * bent).sum() + log_slope / SLOPE_SPREAD**2, residual.sum()])

    log_slope, intercept = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B").x
    return float(np.exp(log_slope)), float(intercept)


def _prior(log_slope: float) -> float:
    return 0.5 * (log_slope / SLOPE_SPREAD) ** 2


def _parts(patients: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    people, which = np.unique(patients, return_inverse=True)
    part: npt.NDArray[np.int64] = np.random.default_rng(seed).permutation(len(people))[which] % PARTS
    return part


METHODS: Mapping[Method, Callable[[Floats, Floats], Curve]] = MappingProxyType(
    {"none": unchanged, "temperature": temperature, "platt": platt}
)
