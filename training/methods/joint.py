"""Both at once: classify labels and align with the teacher, so that alignment cannot live on beat timing alone."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shared.encoder import Head
from training.methods import classification
from training.methods.alignment import Alignment, AlignmentOptions
from training.methods.contract import (
    Batch,
    Floats,
    Method,
    MethodError,
    Needs,
    Scores,
    Setup,
    Trained,
    Truth,
    positive,
)


@dataclass(frozen=True, kw_only=True)
class JointOptions(AlignmentOptions):
    """Alignment's, and how much it counts."""

    align: float = 0.1
    """Loss = classification + align · alignment."""

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "align")


class Joint(Trained):
    """A student encoder with a linear head on it, and its way into the teacher's space."""

    def __init__(self, setup: Setup, options: JointOptions) -> None:
        super().__init__()
        self.encoder = setup.encoder
        self.head: Head = classification.head_for(setup)
        self.outputs = setup.outputs
        self.alignment = Alignment(setup, options)
        self.align = options.align

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Trained.forward`."""
        embedding = self.encoder(batch.windows)
        classified = classification.classification(self.head(embedding), batch)
        aligned = self.alignment(embedding, batch)
        terms = {"classification": classified.detach(), "alignment": aligned.detach()}
        return classified + self.align * aligned, terms

    def predict(self, windows: Tensor) -> Tensor:
        """Logits, then the unit vector in the teacher's space, side by side."""
        embedding = self.encoder(windows)
        return torch.cat([self.head(embedding).float(), self.alignment.project(embedding.float())], dim=1)

    def measure(self, predictions: Floats, truth: Truth) -> Scores:
        """Both kinds of scores; which epoch is better is decided by the classification."""
        if truth.labels is None or truth.teacher is None:
            raise MethodError("validation rows need labels and teacher embeddings")
        logits, projected = np.split(predictions, [len(self.outputs)], axis=1)
        scores = classification.measure(logits, truth.labels, self.outputs)
        return scores | self.alignment.measure(np.ascontiguousarray(projected), truth.teacher)


METHOD = Method(
    "joint",
    "classification + align · alignment with a frozen teacher",
    JointOptions,
    Needs(labels=True, teacher=True),
    build=Joint,
)
