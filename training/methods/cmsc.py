"""A teacher without labels: two halves of one record belong together, halves of two patients do not.

Contrastive multi-segment coding, as CLOCS published it, on all twelve leads: the halves do not overlap, so what
they share is the heart, not the noise of the moment. They share its rhythm, too, and that is the known weakness.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from shared.encoder import Projection
from training.methods.contract import (
    Batch,
    Floats,
    Method,
    Needs,
    Options,
    Scores,
    Setup,
    Trained,
    Truth,
    positive,
    required,
)

_RETRIEVED_AMONG = 2048


@dataclass(frozen=True, kw_only=True)
class SegmentOptions(Options):
    """Where the halves meet."""

    dim: int = 128
    """Width of the space in which they are compared."""
    temperature: float = 0.1
    """Similarities are divided by it: the smaller, the more the nearest wrong half counts."""

    def __post_init__(self) -> None:
        positive(self, "dim", "temperature")


class Segments(Trained):
    """An encoder and a projection."""

    def __init__(self, setup: Setup, options: SegmentOptions) -> None:
        super().__init__()
        self.encoder = setup.encoder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            self.projection = Projection(setup.encoder.dim, options.dim)
        self.temperature = options.temperature

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Trained.forward`."""
        halves = self.predict(batch.windows).chunk(2, dim=1)
        patients = required(batch.patients, "patients")
        loss = sum(
            (self._contrast(half, batch.whole(other), patients, batch) for half, other in (halves, halves[::-1])),
            start=halves[0].new_zeros(()),
        )
        return loss, {"contrast": loss.detach()}

    def predict(self, windows: Tensor) -> Tensor:
        """The projections of first and second half, side by side."""
        middle = windows.shape[-1] // 2
        both = self.encoder(torch.cat([windows[..., :middle], windows[..., middle:]])).float()
        return torch.cat(self.projection(both).chunk(2), dim=1)

    def measure(self, predictions: Floats, truth: Truth) -> Scores:  # noqa: ARG002 - needs none
        """How often a first half's nearest second half is its own."""
        first, second = np.split(predictions[:_RETRIEVED_AMONG], 2, axis=1)
        similar = first @ second.T
        found = (similar > np.diagonal(similar)[:, None]).sum(axis=1) == 0
        return {"score": float(found.mean()), "retrieval_1": float(found.mean())}

    def _contrast(self, half: Tensor, others: Tensor, patients: Tensor, batch: Batch) -> Tensor:
        own = torch.arange(batch.first, batch.first + len(half), device=half.device)
        same = patients[own][:, None] == patients[None, :]
        same[torch.arange(len(half), device=half.device), own] = False
        logits = (half @ others.T / self.temperature).masked_fill(same, -torch.inf)
        return functional.cross_entropy(logits, own, reduction="sum") / (2 * batch.rows)


METHOD = Method(
    "cmsc",
    "contrast the halves of records, all twelve leads: a teacher without labels",
    SegmentOptions,
    Needs(all_leads=True),
    build=Segments,
    label_free=True,
)
