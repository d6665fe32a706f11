"""The pairwise sigmoid loss between students and a teacher's embeddings, with same-patient pairs left out.

Each student row is compared with each teacher row of the whole batch, and every pair is one yes-or-no question:
do the two come from the same record? No softmax over the batch, so a row's part of the loss needs nothing of the
other students: with a teacher that does not learn, workers exchange no embeddings at all.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

INITIAL_LOG_TEMPERATURE = math.log(10.0)
INITIAL_BIAS = -10.0  # a batch has far more wrong pairs than right ones: start by answering no


class SigLIP(nn.Module):
    """The loss with its two learnt numbers, temperature and bias."""

    def __init__(self) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.tensor(INITIAL_LOG_TEMPERATURE))
        self.bias = nn.Parameter(torch.tensor(INITIAL_BIAS))

    def forward(self, student: Tensor, teacher: Tensor, patients: Tensor, first: int) -> Tensor:
        """The share's part of the loss.

        ``student`` (b × d) and ``teacher`` (B × d) are unit vectors; row i of the share is row ``first + i`` of
        the batch; ``patients`` (B) are numbers.
        """
        logits = self.log_temperature.exp() * (student @ teacher.T) + self.bias
        return siglip(logits, patients, first)


def siglip(logits: Tensor, patients: Tensor, first: int) -> Tensor:
    """The summed loss of all pairs (b × B logits) over B; two records of one patient do not count as a pair."""
    own = torch.arange(first, first + len(logits), device=logits.device)
    columns = torch.arange(logits.shape[1], device=logits.device)
    matching = own[:, None] == columns[None, :]
    counted = matching | (patients[own][:, None] != patients[None, :])
    signs = matching.to(logits.dtype) * 2 - 1
    losses = -functional.logsigmoid(signs * logits)
    return (losses * counted).sum() / logits.shape[1]
