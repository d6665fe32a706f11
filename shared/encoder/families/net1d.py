"""Net1D: RegNet's simple, uniform design for one-dimensional signals, as ECG foundation models use it.

A strided stem, then stages that each halve the length; a stage is a row of bottleneck blocks (pointwise,
grouped, pointwise convolution, squeeze-excitation) with a parameter-free shortcut, and the embedding is the
mean over time. `full` has the widths, depths, kernel and group width published for the ECG foundation model that
SelfMIS builds on. Here each convolution is followed by its batch norm (RegNet's order) rather than preceded by
it, so that an inference engine folds all norms away and a row's result cannot depend on its batch.
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from shared.encoder.contract import Config, Encoder, EncoderError, Family, within


@dataclass(frozen=True, kw_only=True)
class Net1DConfig(Config):
    """``widths[i]`` channels and ``depths[i]`` blocks in stage ``i``; all lengths are in samples of that stage."""

    stem_width: int
    stem_kernel: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    kernel: int
    group_width: int
    squeeze: int = 2  # the squeeze-excitation bottleneck is width / squeeze

    def __post_init__(self) -> None:
        super().__post_init__()
        within("group_width", self.group_width, 1, 1024)
        within("squeeze", self.squeeze, 1, 64)
        for name in ("stem_kernel", "kernel"):
            within(name, getattr(self, name), 2, 64)
        for name in ("widths", "depths"):
            if not isinstance(getattr(self, name), tuple):
                raise EncoderError(f"encoder configuration: {name} must be a list of integers")
        within("number of stages", len(self.widths), 1, 8)
        if len(self.widths) != len(self.depths):
            raise EncoderError(
                f"encoder configuration: {len(self.widths)} widths but {len(self.depths)} depths; give one each"
            )
        for width in (self.stem_width, *self.widths):
            within("width", width, self.squeeze, 4096)
        for width in self.widths:
            if width % self.group_width:
                raise EncoderError(
                    f"encoder configuration: width {width} is no multiple of group_width {self.group_width}"
                )
        for before, after in pairwise((self.stem_width, *self.widths)):
            if after < before:  # the shortcut adds channels, it never drops any
                raise EncoderError(f"encoder configuration: widths must not shrink, {after} follows {before}")
        for depth in self.depths:
            within("depth", depth, 1, 32)


class Net1D(Encoder):
    """The encoder of a `Net1DConfig`; ``dim`` is the last width."""

    def __init__(self, config: Net1DConfig) -> None:
        super().__init__()
        self.config = config
        self.dim = config.widths[-1]
        self.stem = _convolution(config.leads, config.stem_width, config.stem_kernel, stride=2)
        blocks: list[nn.Module] = []
        width = config.stem_width
        for stage_width, depth in zip(config.widths, config.depths, strict=True):
            for position in range(depth):
                blocks.append(_Block(config, width, stage_width, stride=2 if position == 0 else 1))
                width = stage_width
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, leads, samples)`` to ``(n, dim)``."""
        return self.features(x).mean(dim=-1)

    def features(self, x: Tensor) -> Tensor:
        """See `Encoder.features`."""
        return functional.silu(self.blocks(self.stem(x)))


class _Block(nn.Module):
    """``shortcut(x) + excite(pointwise(grouped(pointwise(x))))``.

    No activation after the sum: where a signal is small the one used here halves it, and halved in every block
    it would be lost in a deep encoder whose norms have not yet learnt their statistics.
    """

    def __init__(self, config: Net1DConfig, width_in: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.reduce = _convolution(width_in, width, 1)
        self.grouped = _convolution(width, width, config.kernel, stride=stride, groups=width // config.group_width)
        self.expand = _convolution(width, width, 1)
        self.excite = _Excite(width, width // config.squeeze)
        self.pool = nn.AvgPool1d(3, stride, padding=1, count_include_pad=False) if stride > 1 else nn.Identity()
        self.new_channels = width - width_in

    def forward(self, x: Tensor) -> Tensor:
        residual = self.grouped(functional.silu(self.reduce(x)))
        residual = self.excite(self.expand(functional.silu(residual)))
        shortcut = self.pool(x)
        if self.new_channels:
            before = self.new_channels // 2
            shortcut = functional.pad(shortcut, (0, 0, before, self.new_channels - before))
        block: Tensor = shortcut + residual
        return block


class _Excite(nn.Module):
    """Squeeze-excitation: weigh each channel by what the whole window looks like.

    Pointwise convolutions rather than linear layers: engines compute them row by row, so a batch of one and a
    batch of many give the same bits.
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv1d(width, bottleneck, 1)
        self.excite = nn.Conv1d(bottleneck, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.excite(functional.silu(self.squeeze(x.mean(dim=-1, keepdim=True))))
        return x * weight.sigmoid()


def _convolution(width_in: int, width: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution and batch norm; ``ceil(length / stride)`` samples come out, for even kernels too."""
    left, right = (kernel - 1) // 2, kernel // 2
    padding = [nn.ConstantPad1d((left, right), 0.0)] if left != right else []
    convolution = nn.Conv1d(
        width_in, width, kernel, stride, padding=0 if padding else left, groups=groups, bias=False
    )
    # Keeps the variance through the depth, so that an untrained encoder in `eval` mode tells windows apart.
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(*padding, convolution, nn.BatchNorm1d(width))


FAMILY = Family(
    "net1d",
    Net1DConfig,
    Net1D,
    {
        "small": Net1DConfig(
            stem_width=16,
            stem_kernel=15,
            widths=(16, 32, 48, 64, 160, 192),
            depths=(1, 1, 1, 1, 2, 2),
            kernel=5,
            group_width=16,
        ),
        "mid": Net1DConfig(
            stem_width=64,
            stem_kernel=15,
            widths=(64, 64, 128, 192, 384),
            depths=(1, 1, 1, 2, 3),
            kernel=9,
            group_width=16,
        ),
        "full": Net1DConfig(
            stem_width=64,
            stem_kernel=16,
            widths=(64, 160, 160, 400, 400, 1024, 1024),
            depths=(2, 2, 2, 3, 3, 4, 4),
            kernel=16,
            group_width=16,
        ),
    },
)
