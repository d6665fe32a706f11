"""Telling statements apart from an embedding: the head's loss, and how well it does on validation rows."""

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torch.nn import functional

from shared.encoder import Head, HeadConfig, new_head
from shared.labels import ANY_MI, MI_CODES
from training.methods.contract import Batch, Floats, Scores, Setup, required
from training.metrics import auroc

MIN_POSITIVES = 10  # below, one validation fold says nothing about a type


def head_for(setup: Setup) -> Head:
    """A fresh linear head with one output a label column."""
    return new_head(setup.encoder.dim, HeadConfig(outputs=len(setup.outputs)), seed=setup.seed)


def classification(logits: Tensor, batch: Batch) -> Tensor:
    """The share's part of the binary cross-entropy, averaged over the outputs."""
    labels = required(batch.labels, "labels")
    losses = functional.binary_cross_entropy_with_logits(logits.float(), labels, reduction="sum")
    return losses / (batch.rows * labels.shape[1])


def measure(logits: Floats, labels: Floats, outputs: Sequence[str]) -> Scores:
    """AUROC of any-MI and its mean over the types with at least `MIN_POSITIVES`; `score` is the mean of both."""
    areas = {
        name: float(auroc(logits[:, i], labels[:, i]))
        for i, name in enumerate(outputs)
        if name in (*MI_CODES, ANY_MI)
    }
    counted = [areas[n] for i, n in enumerate(outputs) if n in MI_CODES and labels[:, i].sum() >= MIN_POSITIVES]
    any_mi, macro = areas.get(ANY_MI, math.nan), _mean(counted)
    loss = np.mean(np.logaddexp(0, logits) - labels * logits)
    return {"score": _mean([any_mi, macro]), "any_mi": any_mi, "macro": macro, "bce": float(loss)}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
