"""The detour that the paper argues against: draw the eleven missing leads, and let the frozen teacher read them.

The generator learns to draw signals that resemble the real leads sample by sample. What it cannot know of them it
must leave out or make up, and either shows in the teacher's space: each validation reports how far the teacher's
embedding of the drawn leads is from that of the real ones (`training.metrics.latent_gap`).
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from shared.encoder import registry
from shared.encoder.families.generated import Generated, GeneratedConfig
from shared.frames import LEADS
from training.methods.contract import Batch, Floats, Method, Scores, Setup, Trained, Truth, required
from training.methods.options import MethodError, Needs, Options, one_of, within
from training.metrics.latent_gap import latent_gap

_WIDTHS = (1, 1.5, 2, 3, 4)  # of the generator's levels, in units of the first


@dataclass(frozen=True, kw_only=True)
class GenerativeOptions(Options):
    """The generator."""

    width: int = 16
    """Channels at the full rate; each of five levels below has half the rate and up to four times the channels."""
    kernel: int = 9
    """Samples."""
    loss: str = "square"
    """``square`` or ``absolute`` difference of samples."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, "width", 2, 256)
        within(self, "kernel", 3, 63)
        if self.kernel % 2 == 0:
            raise MethodError(f"option kernel must be odd, not {self.kernel}")
        one_of(self, "loss", ("square", "absolute"))


class Generative(Trained):
    """A generator that learns, and the teacher's encoder and head, which do not."""

    encoder: Generated

    def __init__(self, setup: Setup, options: GenerativeOptions) -> None:
        super().__init__(setup)
        teacher = setup.teacher
        if teacher is None or teacher.encoder is None:
            raise MethodError("a twelve-lead teacher must read what is drawn: name its run with --teacher")
        family, _ = registry().describe(teacher.encoder)
        config = GeneratedConfig(
            widths=tuple(round(options.width * factor) for factor in _WIDTHS),
            kernel=options.kernel,
            lead=LEADS.index(setup.lead),
            reader_family=family,
            reader=teacher.encoder.config.to_json(),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            self.encoder = Generated(config)
        self.encoder.reader.load_state_dict(teacher.encoder.state_dict())
        self.encoder.reader.requires_grad_(False)
        self.head = teacher.head and teacher.head.requires_grad_(False)
        self.outputs = teacher.outputs
        self.mean, self.std = teacher.mean, teacher.std
        self.absolute = options.loss == "absolute"

    def train(self, mode: bool = True) -> "Generative":
        """As torch's; the teacher stays as it is."""
        super().train(mode)
        self.encoder.reader.eval()
        if self.head is not None:
            self.head.eval()
        return self

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Trained.forward`."""
        apart = self._others(self.encoder.generator(batch.windows).float() - required(batch.context, "context"))
        loss = (apart.abs() if self.absolute else apart.square()).mean(dim=(1, 2)).sum() / batch.rows
        return loss, {"drawing": loss.detach()}

    def predict(self, windows: Tensor, context: Tensor | None = None) -> Tensor:
        """The embedding of the drawn leads, and the mean correlation of these with the real ones."""
        drawn = self.encoder.generator(windows)
        embedding = self.encoder.reader(self.encoder.twelve(windows, drawn))
        ours, real = (self._others(leads.float()) for leads in (drawn, required(context, "context")))
        ours, real = (leads - leads.mean(dim=-1, keepdim=True) for leads in (ours, real))
        lengths = (ours.square().sum(dim=-1) * real.square().sum(dim=-1)).sqrt()
        alike = (ours * real).sum(dim=-1) / lengths.clamp(min=1e-6)
        return torch.cat([embedding.float(), alike.mean(dim=1, keepdim=True)], dim=1)

    def measure(self, predictions: Floats, truth: Truth) -> Scores:
        """The mean correlation of drawn and real leads, and the latent gap that this leaves."""
        if truth.teacher is None:
            raise MethodError("validation rows without teacher embeddings cannot show the gap")
        embedded, alike = np.split(predictions, [predictions.shape[1] - 1], axis=1)
        gap = latent_gap(embedded, truth.teacher, mean=self.mean, std=self.std)
        correlation = float(alike.mean())
        return {"score": correlation, "correlation": correlation, **asdict(gap)}

    def _others(self, leads: Tensor) -> Tensor:
        """All leads but the one that was there."""
        at = self.encoder.config_lead
        return torch.cat([leads[:, :at], leads[:, at + 1 :]], dim=1)


METHOD = Method(
    "generative",
    "draw the eleven other leads, which the frozen teacher then reads",
    GenerativeOptions,
    Needs(teacher=True, network=True, context=True),
    build=Generative,
    label_free=True,
    paper="the approach that SelfMIS argues against, arXiv 2509.19397",
)
