"""XResNet in one dimension: the residual network that ECG benchmarks are usually held against.

A stem of three convolutions, a max pooling, then stages of residual blocks of two convolutions each; where a stage
halves the length, the shortcut averages before its pointwise convolution. `xresnet1d18` has two blocks in each of
four stages, kernels of five and 64 channels throughout, as is usual for ECGs at 100 Hz. The embedding is the mean
over time.
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from shared.encoder.contract import Config, Encoder, EncoderError, Family, within


@dataclass(frozen=True, kw_only=True)
class XResNet1DConfig(Config):
    """``stem``: channels after each of its convolutions; ``widths[i]``, ``depths[i]``: of stage ``i``."""

    stem: tuple[int, ...]
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    kernel: int

    def __post_init__(self) -> None:
        super().__post_init__()
        within("kernel", self.kernel, 3, 63)
        if self.kernel % 2 == 0:
            raise EncoderError(f"encoder configuration: kernel must be odd, not {self.kernel}")
        for name in ("stem", "widths", "depths"):
            if not isinstance(getattr(self, name), tuple):
                raise EncoderError(f"encoder configuration: {name} must be a list of integers")
            within(f"number of {name}", len(getattr(self, name)), 1, 8)
        if len(self.widths) != len(self.depths):
            raise EncoderError(
                f"encoder configuration: {len(self.widths)} widths but {len(self.depths)} depths; give one each"
            )
        for width in (*self.stem, *self.widths):
            within("width", width, 1, 4096)
        for depth in self.depths:
            within("depth", depth, 1, 64)


class XResNet1D(Encoder):
    """The encoder of an `XResNet1DConfig`; ``dim`` is the last width."""

    def __init__(self, config: XResNet1DConfig) -> None:
        super().__init__()
        self.config = config
        self.dim = config.widths[-1]
        widths = (config.leads, *config.stem)
        stem: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise(widths)):
            stem += [_convolution(before, after, config.kernel, stride=2 if number == 0 else 1), nn.ReLU()]
        self.stem = nn.Sequential(*stem, nn.MaxPool1d(3, 2, padding=1))
        blocks: list[nn.Module] = []
        width = config.stem[-1]
        for stage, (stage_width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
            for position in range(depth):
                stride = 2 if stage and position == 0 else 1
                blocks.append(_Block(width, stage_width, config.kernel, stride=stride))
                width = stage_width
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, leads, samples)`` to ``(n, dim)``."""
        return self.features(x).mean(dim=-1)

    def features(self, x: Tensor) -> Tensor:
        """``(n, leads, samples)`` to ``(n, dim, steps)``, before the mean over time."""
        found: Tensor = self.blocks(self.stem(x))
        return found


class _Block(nn.Module):
    """``relu(shortcut(x) + convolution(relu(convolution(x))))``.

    The last norm of a block begins at a fifth and not, as is often done, at zero: an encoder that nobody has
    trained, a yardstick here, would else be little more than its stem.
    """

    def __init__(self, width_in: int, width: int, kernel: int, *, stride: int) -> None:
        super().__init__()
        self.first = _convolution(width_in, width, kernel, stride=stride)
        self.second = _convolution(width, width, kernel, scale=0.2)
        pool = [nn.AvgPool1d(2, stride, ceil_mode=True)] if stride > 1 else []
        project = [_convolution(width_in, width, 1)] if width_in != width else []
        self.shortcut = nn.Sequential(*pool, *project)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.shortcut(x) + self.second(functional.relu(self.first(x))))


def _convolution(width_in: int, width: int, kernel: int, *, stride: int = 1, scale: float = 1.0) -> nn.Sequential:
    """Convolution and batch norm; ``ceil(length / stride)`` samples come out, at first as loud as ``scale``."""
    convolution = nn.Conv1d(width_in, width, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    norm = nn.BatchNorm1d(width)
    nn.init.constant_(norm.weight, scale)
    return nn.Sequential(convolution, norm)


FAMILY = Family(
    "xresnet1d",
    XResNet1DConfig,
    XResNet1D,
    {"xresnet1d18": XResNet1DConfig(stem=(32, 32, 64), widths=(64, 64, 64, 64), depths=(2, 2, 2, 2), kernel=5)},
)
