"""S4: a structured state-space encoder, whose every layer sees the whole window at once.

A layer is a bank of linear filters with very long memory. Each channel has a few complex poles (the diagonal
variant, S4D); their impulse response is the layer's kernel, once forwards and once backwards in time. In torch the
kernel is applied by FFT; in an exported graph, where complex numbers are ill at ease, by the matrices of the same
transform, which is what `macs` counts. (One depthwise convolution with so many taps would be half the
multiplications, and in ONNX Runtime five times slower.) All that is learnt is real, and the first layer is an
ordinary strided convolution that sums over the leads.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.encoder.contract import Config, Encoder, Family, within

_SLOWEST, _FASTEST = (
    1e-3,
    1e-1,
)  # steps of a layer's clock, in samples: memory of a tenth of a window up to all of it


@dataclass(frozen=True, kw_only=True)
class S4Config(Config):
    """``width`` channels, ``depth`` layers, ``poles`` poles a channel and direction, steps of ``stride``."""

    width: int
    depth: int
    poles: int
    stride: int
    stem_kernel: int

    def __post_init__(self) -> None:
        super().__post_init__()
        within("width", self.width, 1, 2048)
        within("depth", self.depth, 1, 64)
        within("poles", self.poles, 1, 256)
        within("stride", self.stride, 1, 16)
        within("stem_kernel", self.stem_kernel, self.stride, 64)


class S4(Encoder):
    """The encoder of an `S4Config`; ``dim`` is its width."""

    def __init__(self, config: S4Config) -> None:
        super().__init__()
        self.config = config
        self.dim = config.width
        padding = config.stem_kernel - config.stride
        self.stem = nn.Sequential(
            nn.ConstantPad1d((padding // 2, padding - padding // 2), 0.0),
            nn.Conv1d(config.leads, config.width, config.stem_kernel, config.stride, bias=False),
            nn.BatchNorm1d(config.width),
        )
        self.layers = nn.Sequential(*(_Layer(config) for _ in range(config.depth)))
        self.norm = nn.BatchNorm1d(config.width)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, leads, samples)`` to ``(n, dim)``."""
        return self.features(x).mean(dim=-1)

    def features(self, x: Tensor) -> Tensor:
        """``(n, leads, samples)`` to ``(n, dim, steps)``, before the mean over time."""
        found: Tensor = self.norm(self.layers(self.stem(x)))
        return found


class _Layer(nn.Module):
    """``x + gate(mix(gelu(filter(norm(x)))))``."""

    def __init__(self, config: S4Config) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(config.width)
        self.filter = LongFilter(config.width, config.poles)
        self.mix = nn.Conv1d(config.width, 2 * config.width, 1)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.mix(functional.gelu(self.filter(self.norm(x))))
        layer: Tensor = x + functional.glu(mixed, dim=1)
        return layer


class LongFilter(nn.Module):
    """A filter for each channel, as long as the signal in both directions; ``(n, width, steps)`` stays that shape.

    Pole ``k`` of a channel answers an impulse with ``exp(-decay t) cos(frequency t)`` and the like with ``sin``,
    where ``t`` runs at the channel's own clock; the kernel is their weighted sum.
    """

    def __init__(self, width: int, poles: int) -> None:
        super().__init__()
        self.width, self.poles = width, poles
        step = torch.exp(torch.empty(2, width).uniform_(math.log(_SLOWEST), math.log(_FASTEST)))
        # One-dimensional, because matrices are decayed: a pole pulled towards zero would be another filter.
        self.log_step = nn.Parameter(step.log().flatten())
        self.log_decay = nn.Parameter(torch.full((2 * width * poles,), math.log(0.5)))
        self.frequency = nn.Parameter((math.pi * torch.arange(poles)).repeat(2 * width).float())
        self.weight = nn.Parameter(torch.randn(2, width, 2 * poles) / math.sqrt(poles))
        self.through = nn.Parameter(torch.randn(width))

    def kernels(self, steps: int) -> Tensor:
        """Forward and backward impulse responses (2, width, steps)."""
        shape = (2, self.width, self.poles)
        clock = self.log_step.exp().reshape(2, self.width, 1)
        decay = self.log_decay.exp().reshape(shape) * clock
        turn = self.frequency.reshape(shape) * clock
        time = torch.arange(steps, device=decay.device, dtype=decay.dtype)
        fading = torch.exp(-decay[..., None] * time)
        angle = turn[..., None] * time
        waves = torch.cat([fading * angle.cos(), fading * angle.sin()], dim=2)
        # By the clock, so that slow and fast channels begin equally loud.
        return (self.weight[..., None] * waves).sum(dim=2) * clock

    def whole_kernel(self, steps: int) -> Tensor:
        """Both in one period of twice the steps: (width, 2 · steps)."""
        forwards, backwards = self.kernels(steps)
        # The backward kernel stands at the end of the period, its present sample left to the forward one.
        return functional.pad(forwards, (0, steps)) + functional.pad(backwards[:, 1:].flip(-1), (steps + 1, 0))

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            return self.by_matrices(x)
        with torch.autocast(x.device.type, enabled=False):  # half precision has no FFT, and too few digits
            return self.by_fft(x.float()).to(x.dtype)

    def by_fft(self, x: Tensor) -> Tensor:
        """The way that costs least."""
        steps = x.shape[-1]
        period = 2 * steps
        spectrum = torch.fft.rfft(x, n=period) * torch.fft.rfft(self.whole_kernel(steps), n=period)
        filtered: Tensor = torch.fft.irfft(spectrum, n=period)[..., :steps]
        return filtered + x * self.through[:, None]

    def by_matrices(self, x: Tensor) -> Tensor:
        """The same but for rounding, of products of matrices alone, which every engine computes at full speed."""
        steps = x.shape[-1]
        period = 2 * steps
        time, bins = (torch.arange(count, device=x.device) for count in (period, steps + 1))
        turns = (time[:, None] * bins) % period  # whole numbers as long as possible: an angle keeps its digits
        angle = turns.to(x.dtype) * (2 * math.pi / period)
        cos, sin = angle.cos(), angle.sin()
        kernel = self.whole_kernel(steps)
        real, imaginary = x @ cos[:steps], x @ sin[:steps]
        k_real, k_imaginary = kernel @ cos, kernel @ sin
        # Bins 0 and the last stand for themselves, the others for their mirror image, too.
        weight = torch.where((bins == 0) | (bins == steps), 1.0, 2.0).to(x.dtype) / period
        product = (real * k_real - imaginary * k_imaginary) * weight
        crossed = (real * k_imaginary + imaginary * k_real) * weight
        filtered = product @ cos[:steps].T + crossed @ sin[:steps].T
        return filtered + x * self.through[:, None]

    def macs(self, output: Tensor) -> int:
        """Of one row, as the exported graph computes it: two transforms there, two back."""
        steps = output.shape[-1]
        return self.width * steps * (4 * (steps + 1) + 1)


FAMILY = Family(
    "s4",
    S4Config,
    S4,
    {"s4": S4Config(width=96, depth=4, poles=16, stride=4, stem_kernel=12)},
)
