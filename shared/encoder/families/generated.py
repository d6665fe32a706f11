"""Generated: one lead becomes twelve at the level of the signal, and an encoder of twelve leads reads those.

A generator (a small U-Net) draws the eleven missing leads of a pre-processed window; the lead that is there stays
as it is. The reader never learns that they are not real. It has no sizes of its own, for it begins with a reader
that was trained before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.encoder.contract import MAX_LEADS, Config, Encoder, EncoderError, Family, within

_FLOOR = 1e-4  # of a generated lead's power, where a real one has 1


@dataclass(frozen=True, kw_only=True)
class GeneratedConfig(Config):
    """``widths`` and ``kernel`` of the generator, each level at half the rate of the one before; ``lead`` is the
    input's place among the twelve; ``reader`` is the configuration of an encoder of that family."""

    widths: tuple[int, ...]
    kernel: int
    lead: int
    reader_family: str
    reader: Mapping[str, Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        within("leads", self.leads, 1, 1)
        within("lead", self.lead, 0, MAX_LEADS - 1)
        within("kernel", self.kernel, 3, 63)
        if self.kernel % 2 == 0:
            raise EncoderError(f"encoder configuration: kernel must be odd, not {self.kernel}")
        if not isinstance(self.widths, tuple):
            raise EncoderError("encoder configuration: widths must be a list of integers")
        within("number of levels", len(self.widths), 1, 8)
        for width in self.widths:
            within("width", width, 1, 1024)
        if dict(self.reader).get("leads") != MAX_LEADS:
            raise EncoderError(f"encoder configuration: the reader must read {MAX_LEADS} leads")


class Generated(Encoder):
    """A generator, and a reader of what it draws; ``dim`` is the reader's."""

    def __init__(self, config: GeneratedConfig) -> None:
        super().__init__()
        # Imported late: the registry knows this family, and this family what the registry knows.
        from shared.encoder.registry import registry  # noqa: PLC0415 - see above

        self.config = config
        family = registry().family(config.reader_family)
        self.generator = Generator(config.widths, config.kernel)
        self.reader: Encoder = family.build(family.config_type.from_json(config.reader))
        self.dim = self.reader.dim

    def forward(self, x: Tensor) -> Tensor:
        """``(n, 1, samples)`` to ``(n, dim)``."""
        embedding: Tensor = self.reader(self.twelve(x, self.generator(x)))
        return embedding

    def features(self, x: Tensor) -> Tensor:
        """See `Encoder.features`; those of the reader."""
        return self.reader.features(self.twelve(x, self.generator(x)))

    def twelve(self, x: Tensor, drawn: Tensor) -> Tensor:
        """``drawn`` (n × 12 × samples) as pre-processing leaves leads, r.m.s. 1, and ``x`` in its place."""
        power = (drawn - drawn.mean(dim=-1, keepdim=True)).square().mean(dim=-1, keepdim=True)
        normal = (drawn - drawn.mean(dim=-1, keepdim=True)) / (power + _FLOOR).sqrt()
        lead = self.config_lead
        return torch.cat([normal[:, :lead], x, normal[:, lead + 1 :]], dim=1)

    @property
    def config_lead(self) -> int:
        """The input's place among the twelve leads."""
        assert isinstance(self.config, GeneratedConfig)  # noqa: S101 - for the type checker
        return self.config.lead


class Generator(nn.Module):
    """A U-Net: ``(n, 1, samples)`` to ``(n, 12, samples)``; the length is halved level by level, and back."""

    def __init__(self, widths: tuple[int, ...], kernel: int) -> None:
        super().__init__()
        wide = (widths[0], *widths[:-1])  # what comes out of each level on the way up, the top first
        self.stem = _layer(1, widths[0], kernel)
        self.down = nn.ModuleList(
            _layer(a, b, kernel, stride=2) for a, b in zip((widths[0], *widths), widths, strict=False)
        )
        self.up = nn.ModuleList(_layer(below + to, to, kernel) for below, to in zip(widths, wide, strict=True))
        self.draw = nn.Conv1d(widths[0], MAX_LEADS, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.stem(x)]
        for down in self.down:
            levels.append(down(levels[-1]))
        y = levels.pop()
        for up, level in zip(reversed(self.up), reversed(levels), strict=True):
            y = up(torch.cat([functional.interpolate(y, size=level.shape[-1]), level], dim=1))
        drawn: Tensor = self.draw(y)
        return drawn


def _layer(width_in: int, width: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv1d(width_in, width, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm1d(width), nn.SiLU())


FAMILY = Family("generated", GeneratedConfig, Generated, {})
