"""How far what an encoder makes of generated leads is from what it makes of the real ones: the latent gap."""

from dataclasses import dataclass

import numpy as np

from training.metrics.retrieval import Embeddings, own_rank, retrieval_at


@dataclass(frozen=True)
class LatentGap:
    """0 gap is the real thing; 1 is what knowing nothing of a record but the average of all would leave."""

    gap: float
    """Mean squared distance to a record's own real embedding, over the mean variance of the real ones."""
    spread: float
    """The variance of the generated embeddings over that of the real ones: below 1, they say less."""
    cosine: float
    """Mean cosine to a record's own real embedding, both less the real ones' mean, in units of their spread."""
    retrieval_1: float
    retrieval_5: float


def latent_gap(generated: Embeddings, real: Embeddings, *, mean: Embeddings, std: Embeddings) -> LatentGap:
    """From embeddings of the same records (n × dim each); ``mean`` and ``std`` of real ones in training."""
    scale = np.maximum(std, 1e-6)
    made, there = ((rows - mean) / scale for rows in (generated.astype(np.float64), real.astype(np.float64)))
    variance = max(float(there.var(axis=0).sum()), 1e-12)
    ranks = own_rank(made, there)
    lengths = np.linalg.norm(made, axis=1) * np.linalg.norm(there, axis=1)
    cosines = (made * there).sum(axis=1) / np.maximum(lengths, 1e-12)
    return LatentGap(
        gap=float(((made - there) ** 2).sum(axis=1).mean() / variance),
        spread=float(made.var(axis=0).sum() / variance),
        cosine=float(cosines.mean()),
        retrieval_1=float(retrieval_at(ranks, 1).mean()),
        retrieval_5=float(retrieval_at(ranks, 5).mean()),
    )
