"""Fill the gaps: patches of a record are hidden over time and leads; a decoder, later thrown away, restores them.

ST-MEM hides patches from a transformer, which simply leaves them out. A convolution cannot leave out, so here a
hidden patch is zeros (the mean of every lead after pre-processing, and what a lead is that a device does not have)
and what is left is made louder to weigh as much. The loss counts hidden samples alone. By default the encoder sees
all twelve leads, and in the end the part of it that reads the student's lead is what the run leaves.
"""

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shared.signal import WINDOW_SAMPLES
from training.methods.chance import Chance
from training.methods.contract import Batch, Floats, Method, Scores, Setup, Trained, Truth
from training.methods.options import Needs, Options, one_of, positive, within


@dataclass(frozen=True, kw_only=True)
class MaskedOptions(Options):
    """What is hidden, and who restores it."""

    leads: str = "twelve"
    """``twelve``: over time and leads. ``one``: over time, on the student's lead."""
    masked: float = 0.75
    """The share of the patches that is hidden."""
    patch: int = 25
    """Samples of a patch: 0.25 s; ST-MEM has 0.3 s."""
    hidden: int = 128
    """Width of the decoder."""

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self, "leads", ("twelve", "one"))
        within(self, "masked", 0.05, 0.95)
        within(self, "patch", 2, WINDOW_SAMPLES // 4)
        positive(self, "hidden")

    def needs(self, base: Needs) -> Needs:
        """As many leads."""
        twelve = self.leads == "twelve"
        return dataclasses.replace(super().needs(base), all_leads=twelve, one_of_twelve=twelve)


class Masked(Trained):
    """An encoder and a decoder."""

    def __init__(self, setup: Setup, options: MaskedOptions) -> None:
        super().__init__(setup)
        self.options = options
        leads = setup.encoder.config.leads
        with torch.no_grad():
            steps = setup.encoder.eval().features(torch.zeros(1, leads, WINDOW_SAMPLES)).shape[-1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            self.decoder = Decoder(setup.encoder.dim, options.hidden, leads, steps)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Trained.forward`."""
        errors, counts = self._errors(batch.windows, batch.chance)
        loss = (errors / counts).sum() / batch.rows
        return loss, {"restoring": loss.detach()}

    def predict(self, windows: Tensor, context: Tensor | None = None) -> Tensor:  # noqa: ARG002 - the contract's
        """Each row's error, with the same patches hidden in every row."""
        same = Chance.of(torch.zeros(len(windows), dtype=torch.int64, device=windows.device))
        errors, counts = self._errors(windows, same)
        return (errors / counts)[:, None]

    def measure(self, predictions: Floats, truth: Truth) -> Scores:  # noqa: ARG002 - needs none
        """The mean square of what was not restored; zeros everywhere would have about 1."""
        error = float(predictions.mean())
        return {"score": -error, "restoring": error}

    def _errors(self, windows: Tensor, chance: Chance) -> tuple[Tensor, Tensor]:
        """The squares of what was not restored (n), and over how many hidden samples."""
        hidden = hidden_samples(chance, windows.shape[1], self.options.patch, self.options.masked)
        louder = 1 / math.sqrt(1 - self.options.masked)
        restored = self.decoder(self.encoder.features(windows * ~hidden * louder)).float()
        errors = ((restored - windows).square() * hidden).sum(dim=(1, 2))
        return errors, hidden.sum(dim=(1, 2))


class Decoder(nn.Module):
    """Features (n × dim × steps) to samples (n × leads × `WINDOW_SAMPLES`): each draws its own stretch."""

    def __init__(self, dim: int, hidden: int, leads: int, steps: int) -> None:
        super().__init__()
        self.leads = leads
        self.stretch = -(-WINDOW_SAMPLES // steps)
        self.layers = nn.Sequential(
            nn.Conv1d(dim, hidden, 3, padding=1), nn.SiLU(), nn.Conv1d(hidden, leads * self.stretch, 3, padding=1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(n, dim, steps)`` to ``(n, leads, WINDOW_SAMPLES)``."""
        drawn: Tensor = self.layers(features)
        n, _, steps = drawn.shape
        apart = drawn.reshape(n, self.leads, self.stretch, steps).transpose(2, 3)
        return apart.reshape(n, self.leads, -1)[..., :WINDOW_SAMPLES]


def hidden_samples(chance: Chance, leads: int, patch: int, share: float) -> Tensor:
    """Which samples (rows × leads × `WINDOW_SAMPLES`) are hidden: whole patches, the same number in every row."""
    patches = -(-WINDOW_SAMPLES // patch)
    count = max(1, round(share * leads * patches))
    hidden = (chance.ranks(leads * patches) < count).reshape(len(chance), leads, patches)
    return hidden.repeat_interleave(patch, dim=2)[..., :WINDOW_SAMPLES]


METHOD = Method(
    "mae",
    "restore hidden patches of twelve leads (or of one); the decoder is thrown away",
    MaskedOptions,
    Needs(),
    build=Masked,
    label_free=True,
    paper="ST-MEM, arXiv 2402.09450",
)
