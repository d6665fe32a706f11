"""The teacher's opinion instead of its inner view: the student learns what the twelve-lead classifier says.

Its probabilities tell more than the labels do, such as which records are hard; but what a lead cannot show cannot
be learnt from it, and nothing in the loss says where in the teacher's space a record lies.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from shared.encoder import Head
from training.methods.classification import classification, cross_entropy
from training.methods.contract import Batch, Method, Setup, required
from training.methods.options import MethodError, Needs, positive, within
from training.methods.supervised import Supervised, SupervisedOptions


@dataclass(frozen=True, kw_only=True)
class DistilOptions(SupervisedOptions):
    """How the teacher is listened to."""

    temperature: float = 2.0
    """Logits of both are divided by it: the larger, the softer the teacher's opinion."""
    hard: float = 0.5
    """Loss = hard · cross-entropy with the labels + (1 − hard) · temperature² · that with the teacher."""

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "temperature")
        within(self, "hard", 0, 1)


class Distil(Supervised):
    """A student encoder with a linear head, and the teacher's frozen head."""

    wanted: Tensor

    def __init__(self, setup: Setup, options: DistilOptions) -> None:
        super().__init__(setup, options)
        teacher = setup.teacher
        if teacher is None or teacher.head is None:
            raise MethodError("distilling needs a teacher with a classification head, such as a run of upper")
        if missing := [name for name in setup.outputs if name not in teacher.outputs]:
            raise MethodError(
                f"the teacher says nothing of {missing[0]}: give it the same --statements, or leave them"
            )
        self.teacher: Head = teacher.head.requires_grad_(False)
        wanted = torch.tensor([teacher.outputs.index(name) for name in setup.outputs])
        self.register_buffer("wanted", wanted, persistent=False)
        self.temperature, self.weight = options.temperature, options.hard

    def train(self, mode: bool = True) -> "Distil":
        """As torch's; the teacher's head stays as it is, dropout included."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Trained.forward`."""
        logits = self.head(self.encoder(self.view.training(batch))).float()
        with torch.no_grad(), torch.autocast(logits.device.type, enabled=False):
            said = self.teacher(required(batch.teacher, "teacher embeddings")[batch.share])[:, self.wanted]
            goal = (said / self.temperature).sigmoid()
        soft = self.temperature**2 * cross_entropy(logits / self.temperature, goal, batch)
        hard = classification(logits, batch)
        terms = {"soft": soft.detach(), "classification": hard.detach()}
        return self.weight * hard + (1 - self.weight) * soft, terms


METHOD = Method(
    "distil",
    "learn the soft labels of a twelve-lead classifier, beside the labels",
    DistilOptions,
    Needs(labels=True, teacher=True, network=True),
    build=Distil,
    paper="knowledge distillation, arXiv 1503.02531",
)
