"""Telling statements apart from an embedding: the head's loss, and how well it does on validation rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn import functional

from shared.encoder import Head, HeadConfig, new_head
from shared.labels import ANY_MI, MI_CODES
from training.methods.contract import Batch, Floats, Scores, Setup, Trained, Truth, required
from training.methods.options import MethodError, Options, within
from training.metrics import auroc

MIN_POSITIVES = 10  # below, one validation fold says nothing about a type


@dataclass(frozen=True, kw_only=True)
class HeadOptions(Options):
    """The classification head."""

    dropout: float = 0.0
    """Of the embedding, before the head."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "dropout", 0, 0.95)


class Classifying(Trained):
    """An encoder with a linear head on it, judged by what the head says."""

    head: Head

    def __init__(self, setup: Setup, options: HeadOptions) -> None:
        super().__init__(setup)
        config = HeadConfig(outputs=len(setup.outputs), dropout=options.dropout)
        self.head = new_head(setup.encoder.dim, config, seed=setup.seed)

    def shown(self, windows: Tensor) -> Tensor:
        """What the encoder reads of validation windows."""
        return windows

    def predict(self, windows: Tensor, context: Tensor | None = None) -> Tensor:  # noqa: ARG002 - the contract's
        """Logits."""
        logits: Tensor = self.head(self.encoder(self.shown(windows)))
        return logits

    def measure(self, predictions: Floats, truth: Truth) -> Scores:
        """AUROC of any-MI and its mean over types with at least `MIN_POSITIVES`; `score` is the mean of both."""
        if truth.labels is None:
            raise MethodError("validation rows without labels cannot judge a classifier")
        return measure(predictions, truth.labels, self.outputs)


def classification(logits: Tensor, batch: Batch) -> Tensor:
    """The share's part of the binary cross-entropy, averaged over the outputs."""
    return cross_entropy(logits, required(batch.labels, "labels"), batch)


def cross_entropy(logits: Tensor, goal: Tensor, batch: Batch) -> Tensor:
    """The share's part of the binary cross-entropy with goals from 0 to 1, averaged over the outputs."""
    losses = functional.binary_cross_entropy_with_logits(logits.float(), goal, reduction="sum")
    return losses / (batch.rows * goal.shape[1])


def measure(logits: Floats, labels: Floats, outputs: Sequence[str]) -> Scores:
    """See `Classifying.measure`."""
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
