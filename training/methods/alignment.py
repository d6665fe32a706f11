"""A student's way into a frozen teacher's space, and how close it gets there."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.encoder import Projection
from training.methods.contract import (
    Batch,
    Floats,
    MethodError,
    Options,
    Scores,
    Setup,
    one_of,
    positive,
    required,
)
from training.methods.siglip import SigLIP

_RETRIEVED_AMONG = 2048  # validation rows among which a record's own teacher embedding must be found


@dataclass(frozen=True, kw_only=True)
class AlignmentOptions(Options):
    """How student and teacher meet."""

    projection: str = "linear"
    """``linear`` map from the student's embedding, ``mlp``, or ``none`` (both must then be of one width)."""
    hidden: int = 256
    """Width of the hidden layer of ``mlp``."""
    space: str = "standardised"
    """The teacher's embeddings: ``raw``, or ``standardised`` over the training rows, which takes away what all
    records have in common."""

    def __post_init__(self) -> None:
        one_of(self, "projection", ("linear", "mlp", "none"))
        one_of(self, "space", ("standardised", "raw"))
        positive(self, "hidden")


class Alignment(nn.Module):
    """Projection, teacher's space and loss."""

    mean: Tensor
    std: Tensor

    def __init__(self, setup: Setup, options: AlignmentOptions) -> None:
        super().__init__()
        teacher, dim = setup.teacher, setup.encoder.dim
        if teacher is None:
            raise MethodError("aligning needs a teacher: name its run with --teacher")
        if options.projection == "none" and dim != teacher.dim:
            raise MethodError(
                f"without a projection both embeddings must be of one width; the student's is {dim},"
                f" the teacher's {teacher.dim}"
            )
        centred = options.space == "standardised"
        mean = teacher.mean if centred else np.zeros_like(teacher.mean)
        std = np.maximum(teacher.std, 1e-6) if centred else np.ones_like(teacher.std)
        self.register_buffer("mean", torch.from_numpy(np.array(mean, np.float32)))
        self.register_buffer("std", torch.from_numpy(np.array(std, np.float32)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            hidden = options.hidden if options.projection == "mlp" else None
            self.projection = None if options.projection == "none" else Projection(dim, teacher.dim, hidden=hidden)
        self.siglip = SigLIP()

    def project(self, embedding: Tensor) -> Tensor:
        """Embeddings of the student as unit vectors of the teacher's space."""
        projected: Tensor = self.projection(embedding) if self.projection else functional.normalize(embedding)
        return projected

    def forward(self, embedding: Tensor, batch: Batch) -> Tensor:
        """The share's part of the alignment loss."""
        with torch.autocast(embedding.device.type, enabled=False):  # a thousand pairs a row: worth full precision
            student = self.project(embedding.float())
            teacher = self.place(required(batch.teacher, "teacher embeddings"))
            loss: Tensor = self.siglip(student, teacher, required(batch.patients, "patients"), batch.first)
        return loss

    def place(self, teacher: Tensor) -> Tensor:
        """Embeddings of the teacher as unit vectors."""
        return functional.normalize((teacher - self.mean) / self.std)

    def measure(self, projected: Floats, teacher: Floats) -> Scores:
        """How often a record's own teacher embedding is the nearest one, and the mean cosine to it."""
        with torch.no_grad():
            student = torch.from_numpy(projected[:_RETRIEVED_AMONG]).to(self.mean.device)
            similar = student @ self.place(torch.from_numpy(teacher[:_RETRIEVED_AMONG]).to(self.mean.device)).T
        own = similar.diagonal()
        found = (similar > own[:, None]).sum(dim=1) == 0
        return {"retrieval_1": float(found.float().mean()), "cosine": float(own.mean())}
