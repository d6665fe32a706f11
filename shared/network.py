"""From raw millivolts to ten probabilities as one torch network: the thing that is exported, and nothing else.

    millivolts ─ Preprocessing ─ Classifier (encoder, head) ─ Calibration ─ probabilities

`Classifier` holds what is learnt; it sees windows that are already pre-processed, so training can prepare them
once. `Scorer` puts the fixed parts around it. `folded` is the same with fewer operations, for the graph that
serving runs.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.encoder.contract import Encoder
from shared.encoder.heads import Head
from shared.signal import NORMALISE_FLOOR_MV, bandpass_factors


class Preprocessing(nn.Module):
    """`shared.signal.preprocess` in torch: raw millivolts ``(n, samples)`` to what encoders see."""

    lowpass: Tensor
    analysis: Tensor
    synthesis: Tensor

    def __init__(self) -> None:
        super().__init__()
        factors = bandpass_factors()
        # Not persistent: they belong to the pre-processing version, not to what is learnt.
        for name in ("lowpass", "analysis", "synthesis"):
            self.register_buffer(name, torch.tensor(getattr(factors, name)), persistent=False)

    def forward(self, windows_mv: Tensor) -> Tensor:
        """``(n, samples)`` to ``(n, samples)``."""
        # The first sample goes first, as in `bandpass`: a large offset would cost the last digits of the signal.
        level = windows_mv - windows_mv[:, :1]
        runs = level.reshape(level.shape[0], -1, self.lowpass.shape[1]).transpose(1, 2)
        low = functional.conv1d(runs, self.lowpass, padding=1).transpose(1, 2).reshape(level.shape)
        bandpassed = low + level @ self.analysis @ self.synthesis
        power = bandpassed.square().mean(dim=1, keepdim=True)
        return bandpassed / (power + NORMALISE_FLOOR_MV**2).sqrt()


class Classifier(nn.Module):
    """Pre-processed windows ``(n, leads, samples)`` to logits ``(n, outputs)``."""

    def __init__(self, encoder: Encoder, head: Head) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, windows: Tensor) -> Tensor:
        """``(n, leads, samples)`` to ``(n, outputs)``."""
        logits: Tensor = self.head(self.encoder(windows))
        return logits


class Calibration(nn.Module):
    """Logits to probabilities: ``sigmoid(slope · logit + intercept)``, a slope and intercept per score."""

    slope: Tensor
    intercept: Tensor

    def __init__(self, slope: Sequence[float], intercept: Sequence[float]) -> None:
        super().__init__()
        # Not persistent: the manifest is the one place where these stand.
        self.register_buffer("slope", torch.tensor(slope, dtype=torch.float32), persistent=False)
        self.register_buffer("intercept", torch.tensor(intercept, dtype=torch.float32), persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        """``(n, outputs)`` to ``(n, outputs)``, each in 0…1."""
        return (logits * self.slope + self.intercept).sigmoid()


class Scorer(nn.Module):
    """Raw millivolts at 100 Hz ``(n, samples)`` of one lead to probabilities ``(n, outputs)``."""

    def __init__(self, preprocessing: nn.Module, classifier: Classifier, calibration: Calibration) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.classifier = classifier
        self.calibration = calibration

    def forward(self, windows_mv: Tensor) -> Tensor:
        """``(n, samples)`` to ``(n, outputs)``."""
        windows: Tensor = self.preprocessing(windows_mv)
        probabilities: Tensor = self.calibration(self.classifier(windows.unsqueeze(1)))
        return probabilities


class Folded(nn.Module):
    """A `Scorer` whose head and calibration have become part of its encoder's last step; see `folded`."""

    def __init__(self, preprocessing: nn.Module, encoder: Encoder, ending: nn.Module) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.encoder = encoder
        self.ending = ending

    def forward(self, windows_mv: Tensor) -> tuple[Tensor, Tensor]:
        """``(n, samples)`` to probabilities ``(n, outputs)``, and what the encoder's learnt part was shown."""
        shown = self.encoder.shown(self.preprocessing(windows_mv).unsqueeze(1))
        return self.ending(shown).sigmoid(), shown


def folded(scorer: Scorer) -> Folded | None:
    """``scorer`` in `eval` mode by fewer operations, the same but for rounding; None if its head is not linear."""
    head, calibration = scorer.classifier.head, scorer.calibration
    last = head.layers[-1]
    if head.config.kind != "linear" or not isinstance(last, nn.Linear):
        return None
    slope = calibration.slope.detach().double()
    weight = slope[:, None] * last.weight.detach().double()
    bias = slope * last.bias.detach().double() + calibration.intercept.double()
    encoder = scorer.classifier.encoder
    return Folded(scorer.preprocessing, encoder, encoder.ending_in(weight, bias)).eval()
