"""Which rows of a batch belong together, and which pairs say nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.methods.contract import Batch, required

SAME_PATIENT = ("left-out", "negative", "positive")


@dataclass(frozen=True)
class Pairs:
    """Which of the batch's rows (columns) belong to each of the share's, and which count at all: b × B each."""

    own: Tensor
    belongs: Tensor
    counts: Tensor

    @classmethod
    def of(cls, batch: Batch, same_patient: str) -> "Pairs":
        """Other records of a row's own patient are ``left-out``, a ``negative`` or a ``positive``."""
        patients = required(batch.patients, "patients")
        columns = torch.arange(batch.rows, device=patients.device)
        own = columns[batch.share][:, None] == columns
        same = patients[batch.share][:, None] == patients
        belongs = same if same_patient == "positive" else own
        return cls(own, belongs, own | ~same if same_patient == "left-out" else torch.ones_like(own))
