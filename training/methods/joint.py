"""Both at once: classify labels and align with the teacher, so that alignment cannot live on beat timing alone."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.methods.alignment import Alignment, AlignmentOptions
from training.methods.classification import classification
from training.methods.contract import Batch, Floats, Method, Scores, Setup, Truth
from training.methods.options import Needs, positive
from training.methods.supervised import Supervised, SupervisedOptions


@dataclass(frozen=True, kw_only=True)
class JointOptions(AlignmentOptions, SupervisedOptions):
    """Alignment's and the head's, and how much the first counts."""

    align: float = 0.1
    """Loss = classification + align · alignment."""

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "align")


class Joint(Supervised):
    """A student encoder with a linear head on it, and its way into the teacher's space."""

    def __init__(self, setup: Setup, options: JointOptions) -> None:
        super().__init__(setup, options)
        self.alignment = Alignment(setup, options)
        self.align = options.align

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Trained.forward`."""
        embedding = self.encoder(self.view.training(batch))
        classified = classification(self.head(embedding), batch)
        aligned = self.alignment(embedding, batch)
        terms = {"classification": classified.detach(), "alignment": aligned.detach()}
        return classified + self.align * aligned, terms

    def predict(self, windows: Tensor, context: Tensor | None = None) -> Tensor:
        """Logits, then what `Alignment.predict` gives, side by side."""
        embedding = self.encoder(self.view.plain(windows))
        return torch.cat([self.head(embedding).float(), self.alignment.predict(embedding, context)], dim=1)

    def measure(self, predictions: Floats, truth: Truth) -> Scores:
        """Both kinds of scores; which epoch is better is decided by the classification."""
        logits, aligned = np.split(predictions, [len(self.outputs)], axis=1)
        return super().measure(logits, truth) | self.alignment.measure(aligned, truth)


METHOD = Method(
    "joint",
    "classification + align · alignment with a frozen teacher",
    JointOptions,
    Needs(labels=True, teacher=True),
    build=Joint,
)
