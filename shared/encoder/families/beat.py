"""Beat: the mean heartbeat of a window, read by a small CNN.

What an infarct changes is the shape of the beat; when beats come says little of it, and is the first thing a
network learns to tell recordings apart by. So this family finds the beats, lays them on one another, and shows the
network nothing but their mean: rhythm cannot be learnt, noise is averaged away, an eighth of the samples is left.

Everything is part of the encoder, so that training, export and serving need not know: beats are found by the
energy of the slope (local maxima that stand out from the typical second), moved onto their sharpest point, and
averaged with weights that fall with the distance to the mean beat, which leaves out ectopic beats and artefacts.
Of several leads beats are found and weighed together.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.encoder.contract import Config, Encoder, EncoderError, Family, within

BEFORE, SAMPLES = 40, 128
"""A beat: 400 ms before its sharpest point to 880 ms after."""
SHORTEST = 200

_MOST = 24  # beats of a window that are averaged; of more, those with the steepest slopes
_STEP = 2  # beats are found at 50 Hz
_SLOPE = 2  # half of 80 ms
_REACH = 12  # 240 ms: no two beats are closer
_SECOND = 50  # of these steps
_STEEP = (
    0.2  # what share of the typical second's greatest energy is a beat; typical is what half the seconds reach
)
_CURVE = 4  # sharpness is measured across ± 40 ms
_SHIFT = 8  # and looked for within ± 80 ms
_ROUNDS = 2  # of weighing beats by their likeness to the mean
_FLOOR = 1e-3  # added to the power of a beat: what is flat stays small
_TINY = 1e-9


@dataclass(frozen=True, kw_only=True)
class BeatConfig(Config):
    """``widths[i]`` channels after ``i`` halvings of the beat; ``points`` channels keep their place in time."""

    widths: tuple[int, ...]
    kernel: int
    points: int
    dim: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.widths, tuple):
            raise EncoderError("encoder configuration: widths must be a list of integers")
        within("number of widths", len(self.widths), 1, 6)
        for width in self.widths:
            within("width", width, 1, 1024)
        within("kernel", self.kernel, 3, 63)
        if self.kernel % 2 == 0:
            raise EncoderError(f"encoder configuration: kernel must be odd, not {self.kernel}")
        within("points", self.points, 1, 256)
        within("dim", self.dim, 1, 4096)


class Beat(Encoder):
    """The encoder of a `BeatConfig`."""

    def __init__(self, config: BeatConfig) -> None:
        super().__init__()
        self.config = config
        self.dim = config.dim
        first, last = config.widths[0], config.widths[-1]
        self.stem = _convolution(config.leads, first, 2 * config.kernel - 1)
        self.blocks = nn.Sequential(*(_Block(a, b, config.kernel) for a, b in pairwise(config.widths)))
        self.points = nn.Conv1d(last, config.points, 1)
        steps = SAMPLES // 2 ** (len(config.widths) - 1)
        # A convolution and no linear layer: engines compute it row by row, so any batch gives the same bits.
        self.embedding = nn.Conv1d(last + config.points * steps, config.dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, leads, samples)`` to ``(n, dim)``."""
        features = self.features_of(self.shown(x))
        placed = self.points(features).flatten(1)
        embedding: Tensor = self.embedding(torch.cat([features.mean(dim=-1), placed], dim=1)[:, :, None])
        return embedding[:, :, 0]

    def shown(self, x: Tensor) -> Tensor:
        """The mean beats ``(n, leads, SAMPLES)``, of equal power."""
        beat = mean_beat(x)
        normal: Tensor = beat / (beat.square().mean(dim=(1, 2), keepdim=True) + _FLOOR).sqrt()
        return normal

    def features_of(self, beat: Tensor) -> Tensor:
        """What `shown` gives to ``(n, channels, steps)``: all that is not linear."""
        features: Tensor = self.blocks(functional.silu(self.stem(beat)))
        return features

    def ending_in(self, weight: Tensor, bias: Tensor) -> nn.Module:
        """All after the features is linear, so it is one convolution as long as they are."""
        return _Ending(self, weight, bias).eval()


class _Ending(nn.Module):
    """The learnt part of a `Beat` and an affine map of its embedding, multiplied out in float64."""

    def __init__(self, beat: Beat, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.beat = beat
        weight_of = {name: value.detach().double() for name, value in beat.named_parameters()}
        bias = bias + weight @ weight_of["embedding.bias"]
        whole = weight @ weight_of["embedding.weight"][:, :, 0]
        channels = beat.points.in_channels
        mean = whole[:, :channels]
        placed = whole[:, channels:].reshape(len(whole), beat.points.out_channels, -1)
        bias = bias + placed.sum(dim=2) @ weight_of["points.bias"]
        kernel = torch.einsum("ops,pc->ocs", placed, weight_of["points.weight"][:, :, 0])
        kernel += mean[:, :, None] / kernel.shape[2]
        self.ending = nn.Conv1d(channels, len(kernel), kernel.shape[2], device="meta")
        self.ending.load_state_dict({"weight": kernel.float(), "bias": bias.float()}, assign=True)

    def forward(self, beat: Tensor) -> Tensor:
        logits: Tensor = self.ending(self.beat.features_of(beat))
        return logits[:, :, 0]


def mean_beat(x: Tensor) -> Tensor:
    """Windows ``(n, leads, samples)`` to their mean beats ``(n, leads, SAMPLES)``; zeros where there is none.

    Beats whose `SAMPLES` are not wholly inside the window are left out. Refuses windows of less than two seconds.
    """
    if x.shape[-1] < SHORTEST:
        raise EncoderError(f"a mean beat needs windows of {SHORTEST} samples or more, not {x.shape[-1]}")
    with torch.no_grad():
        starts, found = _starts(x.float())
    beats = _cut(x, starts)
    with torch.no_grad():
        weights = _weights(beats.float(), found)
    return _weighed(beats, weights)[:, :, 0]


def _starts(x: Tensor) -> tuple[Tensor, Tensor]:
    """Where the beats of each window begin ``(n, _MOST)``, and which of these places hold one (1 or 0)."""
    # By places: to engines, steps are slow.
    half = x.index_select(2, torch.arange(0, x.shape[-1], _STEP, device=x.device))
    slope = half[..., 2 * _SLOPE :] - half[..., : -2 * _SLOPE]
    energy = functional.pad(slope.square().sum(dim=1), (_SLOPE, _SLOPE))
    # Windows take the place of channels, of which engines pool many at once.
    energy = functional.avg_pool1d(energy[None], 5, 1, padding=2)
    highest = functional.max_pool1d(energy, 2 * _REACH + 1, 1, padding=_REACH)[0]
    energy = energy[0]
    steps = energy.shape[1]
    seconds = energy[:, : steps - steps % _SECOND].reshape(x.shape[0], -1, _SECOND).amax(dim=2)
    typical = seconds.topk((seconds.shape[1] + 1) // 2, dim=1).values[:, -1:]
    beat = (energy >= highest) & (energy > _STEEP * typical) & _whole(steps, x.device)
    height, place = torch.where(beat, energy, 0.0).topk(min(_MOST, steps), dim=1)

    curve = (2 * x[..., _CURVE:-_CURVE] - x[..., : -2 * _CURVE] - x[..., 2 * _CURVE :]).abs().sum(dim=1)
    first = (place * _STEP - _SHIFT).clamp(min=_CURVE, max=x.shape[-1] - _CURVE - 2 * _SHIFT - 1)
    around = _at(curve, first - _CURVE, 2 * _SHIFT + 1)
    peak = first + _greatest(around)
    return (peak - BEFORE).clamp(min=0, max=x.shape[-1] - SAMPLES), (height > 0).float()


def _whole(steps: int, device: torch.device) -> Tensor:
    """At which of the steps (50 Hz) a beat is wholly in the window, however it is moved."""
    step = torch.arange(steps, device=device) * _STEP
    return (step >= BEFORE + _SHIFT) & (step < steps * _STEP - (SAMPLES - BEFORE) - _SHIFT)


def _cut(x: Tensor, starts: Tensor) -> Tensor:
    """``(n, leads, samples)`` and starts ``(n, beats)`` to beats ``(n, leads, beats, SAMPLES)``."""
    return torch.stack([_at(lead, starts, SAMPLES) for lead in x.unbind(dim=1)], dim=1)


def _at(rows: Tensor, starts: Tensor, length: int) -> Tensor:
    """``length`` samples of each row ``(n, samples)`` from each of its starts ``(n, k)``: ``(n, k, length)``."""
    begin = torch.arange(rows.shape[0], device=rows.device)[:, None] * rows.shape[1]
    place = (begin + starts)[:, :, None] + torch.arange(length, device=rows.device)
    return rows.reshape(-1).index_select(0, place.reshape(-1)).reshape(place.shape)


def _greatest(rows: Tensor) -> Tensor:
    """Where along the last axis the greatest is, the first of several: as `argmax`, which engines do slowly."""
    # In floats: of integers OpenVINO 2026.4 finds the greatest wrongly, in batches of 32 or more.
    left = torch.arange(rows.shape[-1], 0, -1, device=rows.device, dtype=rows.dtype)
    return rows.shape[-1] - torch.where(rows >= rows.amax(dim=-1, keepdim=True), left, 0.0).amax(dim=-1).long()


def _weights(beats: Tensor, found: Tensor) -> Tensor:
    """How much each beat counts ``(n, beats)``, one in all: by its likeness to the mean of all leads."""
    still = beats - beats.mean(dim=-1, keepdim=True)
    size = still.square().sum(dim=(1, 3)).sqrt()
    weights = found
    for _ in range(_ROUNDS):
        mean = _weighed(still, weights)
        length = size * mean.square().sum(dim=(1, 2, 3)).sqrt()[:, None]
        alike = (still * mean).sum(dim=(1, 3)) / length.clamp(min=_TINY)
        weights = found * (alike.clamp(min=0) ** 4 + 1e-6)
        weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=_TINY)
    return weights


def _weighed(beats: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums ``(n, leads, 1, SAMPLES)``.

    A product and no sum over beats: engines add up rows in an order that depends on their number, but multiply
    each alone.
    """
    return weights[:, None, None].to(beats) @ beats


class _Block(nn.Module):
    """Two convolutions beside a mean of two samples: half as long."""

    def __init__(self, width_in: int, width: int, kernel: int) -> None:
        super().__init__()
        self.halve = _convolution(width_in, width, kernel, stride=2)
        self.refine = _convolution(width, width, kernel)
        self.shortcut = nn.Sequential(nn.AvgPool1d(2), *_convolution(width_in, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        refined: Tensor = self.refine(functional.silu(self.halve(x))) + self.shortcut(x)
        return functional.silu(refined)


def _convolution(width_in: int, width: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv1d(width_in, width, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm1d(width))


FAMILY = Family(
    "beat", BeatConfig, Beat, {"beat": BeatConfig(widths=(24, 32, 48, 64), kernel=5, points=32, dim=192)}
)
