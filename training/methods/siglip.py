"""The pairwise sigmoid loss between students and a teacher's embeddings.

Each student row is compared with each teacher row of the whole batch, and every pair is one yes-or-no question:
do the two come from the same record? No softmax over the batch, so a row's part of the loss needs nothing of the
other students: with a teacher that does not learn, workers exchange no embeddings at all.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.methods.contract import Batch
from training.methods.pairs import Pairs

INITIAL_LOG_TEMPERATURE = math.log(10.0)
INITIAL_BIAS = -10.0  # a batch has far more wrong pairs than right ones: start by answering no


class SigLIP(nn.Module):
    """The loss with its two learnt numbers, temperature and bias."""

    def __init__(self) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.tensor(INITIAL_LOG_TEMPERATURE))
        self.bias = nn.Parameter(torch.tensor(INITIAL_BIAS))

    def forward(self, student: Tensor, teacher: Tensor, batch: Batch, pairs: Pairs) -> Tensor:
        """The share's part of the loss: ``student`` (b × d) and ``teacher`` (B × d) are unit vectors."""
        return siglip(self.log_temperature.exp() * (student @ teacher.T) + self.bias, pairs, batch.rows)


def siglip(logits: Tensor, pairs: Pairs, rows: int) -> Tensor:
    """The summed loss of all pairs that count (b × B logits) over ``rows``."""
    signs = pairs.belongs.to(logits.dtype) * 2 - 1
    losses = -functional.logsigmoid(signs * logits)
    return (losses * pairs.counts).sum() / rows
