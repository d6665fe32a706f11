"""The softmax loss over a batch (InfoNCE): a row should resemble what belongs to it more than anything else."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.methods.contract import Batch
from training.methods.pairs import Pairs


def info_nce(logits: Tensor, pairs: Pairs, rows: int, *, also: Tensor | None = None) -> Tensor:
    """The share's part of the cross-entropy (b × B logits), averaged over what belongs to a row and over ``rows``.

    ``also`` (b × B) are logits of pairs of which none belongs together, such as those within one view.
    """
    logits = logits.masked_fill(~pairs.counts, -torch.inf)
    if also is not None:
        logits = torch.cat([logits, also.masked_fill(pairs.belongs | ~pairs.counts, -torch.inf)], dim=1)
    likely = functional.log_softmax(logits, dim=1)[:, : pairs.own.shape[1]]
    return -(likely.masked_fill(~pairs.belongs, 0).sum(dim=1) / pairs.belongs.sum(dim=1)).sum() / rows


class InfoNCE(nn.Module):
    """Both ways between students and teachers, with a learnt temperature that starts as CLIP's did."""

    _SHARPEST = math.log(100.0)

    def __init__(self) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, student: Tensor, teacher: Tensor, batch: Batch, pairs: Pairs) -> Tensor:
        """``student`` (b × d) are the share's unit vectors, ``teacher`` (B × d) those of the whole batch."""
        scale = self.log_temperature.clamp(max=self._SHARPEST).exp()
        there = info_nce(scale * (student @ teacher.T), pairs, batch.rows)
        back = info_nce(scale * (teacher[batch.share] @ batch.whole(student).T), pairs, batch.rows)
        return (there + back) / 2


class Cosine(nn.Module):
    """One minus the cosine to what belongs to a row; without negatives only the teacher prevents collapse."""

    def forward(self, student: Tensor, teacher: Tensor, batch: Batch, pairs: Pairs) -> Tensor:  # noqa: ARG002 - one signature for all losses
        """``student`` (b × d) are the share's unit vectors, ``teacher`` (B × d) those of the whole batch."""
        return (1 - (student * teacher[batch.share]).sum(dim=1)).sum() / batch.rows
