"""What sits on an embedding: a classification head (linear probe or MLP) and the projection for alignment."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.encoder.contract import EncoderError, real_within, within
from shared.labels import SCORE_NAMES


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """``linear`` is the probe of the paper; ``mlp`` puts one hidden layer in between."""

    kind: Literal["linear", "mlp"] = "linear"
    outputs: int = len(SCORE_NAMES)
    hidden: int = 256  # width of the hidden layer; unused by a linear head
    dropout: float = 0.0  # before the last layer, while training

    def __post_init__(self) -> None:
        if self.kind not in ("linear", "mlp"):  # a file may give what cannot be hashed
            raise EncoderError(f"head configuration: kind must be linear or mlp, not {self.kind!r:.60}")
        within("outputs of the head", self.outputs, 1, 4096)
        within("hidden width of the head", self.hidden, 1, 8192)
        real_within("dropout", self.dropout, 0.0, 1.0)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` of it is equal to this."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The configuration that `to_json` wrote."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in sorted(known ^ set(values)):
            raise EncoderError(f"head configuration: {'missing' if name in known else 'unknown'} {name!r:.60}")
        return cls(**values)


class Head(nn.Module):
    """Embeddings ``(n, dim)`` to logits ``(n, outputs)``; column ``i`` is `SCORE_NAMES[i]` by default."""

    def __init__(self, dim: int, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        width = dim
        if config.kind == "mlp":
            layers += [nn.Linear(dim, config.hidden), nn.SiLU()]
            width = config.hidden
        self.layers = nn.Sequential(*layers, nn.Dropout(config.dropout), nn.Linear(width, config.outputs))

    def forward(self, embedding: Tensor) -> Tensor:
        """``(n, dim)`` to ``(n, outputs)``."""
        logits: Tensor = self.layers(embedding)
        return logits


class Projection(nn.Module):
    """Embeddings ``(n, dim)`` to points on the unit sphere ``(n, to)``, where two encoders are aligned.

    With ``hidden`` a two-layer MLP, without it one linear map.
    """

    def __init__(self, dim: int, to: int, *, hidden: int | None = None) -> None:
        super().__init__()
        for name, value in (("dim", dim), ("to", to), ("hidden", to if hidden is None else hidden)):
            within(f"projection {name}", value, 1, 8192)
        self.layers = (
            nn.Linear(dim, to)
            if hidden is None
            else nn.Sequential(nn.Linear(dim, hidden), nn.SiLU(), nn.Linear(hidden, to))
        )

    def forward(self, embedding: Tensor) -> Tensor:
        """``(n, dim)`` to ``(n, to)``, each row of length one."""
        return functional.normalize(self.layers(embedding), dim=-1)


def new_head(dim: int, config: HeadConfig, *, seed: int = 0) -> Head:
    """A fresh head; equal seeds give equal weights and torch's own generator stays untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Head(dim, config)
