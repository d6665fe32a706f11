"""A student's way into a teacher's space, and how close it gets. The teacher is frozen, unless told to learn."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.encoder import Projection
from training.methods.contract import Batch, Floats, Scores, Setup, Truth, required
from training.methods.infonce import Cosine, InfoNCE
from training.methods.options import MethodError, Needs, one_of, positive
from training.methods.pairs import SAME_PATIENT, Pairs
from training.methods.siglip import SigLIP
from training.methods.views import ViewOptions, leads_without

_RETRIEVED_AMONG = 2048  # validation rows among which a record's own teacher embedding must be found
_LOSSES = {"siglip": SigLIP, "infonce": InfoNCE, "cosine": Cosine}


@dataclass(frozen=True, kw_only=True)
class AlignmentOptions(ViewOptions):
    """How student and teacher meet. As published by default; the others are what a reviewer would want tried."""

    projection: str = "linear"
    """``linear`` map from the student's embedding, ``mlp``, or ``none`` (both must then be of one width)."""
    hidden: int = 256
    """Width of the hidden layer of ``mlp``."""
    space: str = "standardised"
    """The teacher's embeddings: ``raw``, or ``standardised`` over the training rows, which takes away what all
    records have in common."""
    loss: str = "siglip"
    """``siglip``, ``infonce`` (softmax both ways), or ``cosine`` (no negatives)."""
    same_patient: str = "left-out"
    """Another record of the same patient is ``left-out``, a ``negative`` or a ``positive``."""
    stop_gradient: bool = True
    """``no``: the teacher learns, too, from where its run ended."""
    own_lead: bool = True
    """``no``: the teacher is shown the other eleven leads only, so that no two see the same samples."""

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self, "projection", ("linear", "mlp", "none"))
        one_of(self, "space", ("standardised", "raw"))
        one_of(self, "loss", tuple(_LOSSES))
        one_of(self, "same_patient", SAME_PATIENT)
        positive(self, "hidden")
        if self.any_lead and not self.own_lead:
            raise MethodError("own_lead=no needs to know which lead: it cannot be had together with any_lead=yes")

    def needs(self, base: Needs) -> Needs:
        """A teacher that learns must be there itself, and see the records."""
        base = super().needs(base)
        learns = not self.stop_gradient
        return dataclasses.replace(
            base, context=base.context or learns, network=learns, hidden_lead=not self.own_lead
        )


class Alignment(nn.Module):
    """Projection, teacher's space and loss; and the teacher itself, if it learns."""

    mean: Tensor
    std: Tensor
    seen: Tensor

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
            self.loss: nn.Module = _LOSSES[options.loss]()
        self.same_patient = options.same_patient
        self.teacher = None if options.stop_gradient else teacher.encoder
        unseen = None if options.own_lead else setup.lead
        self.register_buffer("seen", leads_without(unseen), persistent=False)

    def project(self, embedding: Tensor) -> Tensor:
        """Embeddings of the student as unit vectors of the teacher's space."""
        projected: Tensor = self.projection(embedding) if self.projection else functional.normalize(embedding)
        return projected

    def forward(self, embedding: Tensor, batch: Batch) -> Tensor:
        """The share's part of the alignment loss."""
        learnt = None if self.teacher is None else self.taught(required(batch.context, "context"))
        with torch.autocast(embedding.device.type, enabled=False):  # a thousand pairs a row: worth full precision
            student = self.project(embedding.float())
            if learnt is None:
                teacher = self.place(required(batch.teacher, "teacher embeddings"))
            else:
                teacher = batch.whole(self.place(learnt.float()))
            pairs = Pairs.of(batch, self.same_patient)
            loss: Tensor = self.loss(student, teacher, batch, pairs)
        return loss

    def taught(self, context: Tensor) -> Tensor:
        """What a teacher that learns makes of twelve leads by now."""
        if self.teacher is None:
            raise MethodError("the teacher is frozen: its embeddings are constants")
        embedding: Tensor = self.teacher(context * self.seen)
        return embedding

    def place(self, teacher: Tensor) -> Tensor:
        """Embeddings of the teacher as unit vectors."""
        return functional.normalize((teacher - self.mean) / self.std)

    def predict(self, embedding: Tensor, context: Tensor | None) -> Tensor:
        """The projection, and beside it the teacher's embedding where that is not a constant."""
        projected = self.project(embedding.float())
        if self.teacher is None:
            return projected
        return torch.cat([projected, self.taught(required(context, "context")).float()], dim=1)

    def measure(self, predictions: Floats, truth: Truth) -> Scores:
        """How often a record's own teacher embedding is the nearest one, and the mean cosine to it."""
        width = len(self.mean)
        teacher = truth.teacher if self.teacher is None else predictions[:, width:]
        if teacher is None:
            raise MethodError("validation rows without teacher embeddings cannot judge an alignment")
        with torch.no_grad():
            student, goal = (
                torch.from_numpy(np.ascontiguousarray(rows[:_RETRIEVED_AMONG])).to(self.mean.device)
                for rows in (predictions[:, :width], teacher)
            )
            similar = student @ self.place(goal).T
        own = similar.diagonal()
        found = (similar > own[:, None]).sum(dim=1) == 0
        return {"retrieval_1": float(found.float().mean()), "cosine": float(own.mean())}
