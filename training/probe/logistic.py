"""Logistic regression of several statements at once, each with an L2 penalty of its own.

The statements share nothing but the embedding, so their losses add up and one L-BFGS run finds all of them.
Features are standardised for the fit; the result is given for features as they come, ready to be a linear layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from shared.errors import SelfmisError

Floats: TypeAlias = npt.NDArray[np.float64]

MAX_ITERATIONS = 300
TOLERANCE = 1e-6
# Relative to the mean loss of a record: from "hardly any weight" to "hardly any penalty".
PENALTIES: tuple[float, ...] = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4)


class ProbeError(SelfmisError):
    """Nothing can be learnt from these records."""


@dataclass(frozen=True, eq=False)
class Linear:
    """``embedding @ weight + bias`` are logits, a column a statement."""

    weight: Floats
    bias: Floats

    def logits(self, embeddings: npt.ArrayLike) -> Floats:
        """``(n, dim)`` to ``(n, statements)``."""
        return np.asarray(embeddings, np.float64) @ self.weight + self.bias


@dataclass(frozen=True, eq=False)
class Standard:
    """How features are standardised: those that never change are left out of everything."""

    mean: Floats
    scale: Floats

    @classmethod
    def of(cls, embeddings: npt.ArrayLike) -> "Standard":
        """Mean and spread of each feature."""
        rows = np.asarray(embeddings, np.float64)
        spread = rows.std(axis=0)
        floor = 1e-9 * max(1.0, float(np.abs(rows).max(initial=0.0)))
        return cls(rows.mean(axis=0), np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > floor))

    def apply(self, embeddings: npt.ArrayLike) -> Floats:
        """Features of mean 0 and spread 1."""
        return (np.asarray(embeddings, np.float64) - self.mean) * self.scale

    def undo(self, weight: Floats, bias: Floats) -> Linear:
        """The model for features as they come."""
        raw = weight * self.scale[:, None]
        return Linear(raw, bias - self.mean @ raw)


def fit(
    features: Floats, labels: Floats, penalties: npt.ArrayLike, *, start: tuple[Floats, Floats] | None = None
) -> tuple[Floats, Floats]:
    """Weights (dim × statements) and biases with the least mean log loss + ½ · penalty · |weight|² of each.

    The bias is not penalised. A statement that no record, or every record, has gets no weights and the logit of
    its share, as if half a record more had it and half a record more had not. Deterministic.
    """
    rows, dim = features.shape
    statements = labels.shape[1]
    penalty = np.broadcast_to(np.asarray(penalties, np.float64), (statements,))
    share = (labels.sum(axis=0) + 0.5) / (rows + 1.0)
    bias = np.log(share / (1 - share))
    learnt = (labels.any(axis=0)) & (~labels.all(axis=0))
    weight = np.zeros((dim, statements))
    if not learnt.any():
        return weight, bias
    wanted, strength = labels[:, learnt], penalty[learnt]
    first = (
        np.vstack([weight[:, learnt], bias[learnt]])
        if start is None
        else np.vstack([start[0][:, learnt], start[1][learnt]])
    )

    def loss(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(dim + 1, -1)
        logits = features @ w[:-1] + w[-1]
        residual = (expit(logits) - wanted) / rows
        value = (np.logaddexp(0.0, logits) - wanted * logits).sum() / rows
        value += 0.5 * float((strength * np.square(w[:-1]).sum(axis=0)).sum())
        gradient = np.vstack([features.T @ residual + strength * w[:-1], residual.sum(axis=0)])
        return float(value), gradient.ravel()

    found = minimize(
        loss,
        first.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "gtol": TOLERANCE, "ftol": 1e-12, "maxcor": 20},
    )
    solution = found.x.reshape(dim + 1, -1)
    weight[:, learnt], bias[learnt] = solution[:-1], solution[-1]
    return weight, bias


def path(
    features: Floats, labels: Floats, penalties: Sequence[float] = PENALTIES
) -> list[tuple[float, Floats, Floats]]:
    """The fits of all statements for each penalty, strongest first, each begun where the one before ended."""
    found: list[tuple[float, Floats, Floats]] = []
    start = None
    for penalty in sorted(penalties, reverse=True):
        start = fit(features, labels, penalty, start=start)
        found.append((penalty, *start))
    return found
