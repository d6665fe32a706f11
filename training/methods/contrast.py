"""Two views of each record must be told to belong together among the views of all other records of the batch.

What the views are decides what an encoder can learn from it: a record disturbed twice (SimCLR), or its first and
its second half (CLOCS), which share the heart and its rhythm but not the noise of the moment; or both at once.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shared.encoder import Projection
from training.methods.contract import Batch, Floats, Scores, Setup, Trained, Truth
from training.methods.disturbances import DisturbanceOptions, blanked, cropped, worn
from training.methods.infonce import info_nce
from training.methods.options import MethodError, one_of, positive
from training.methods.pairs import SAME_PATIENT, Pairs

_RETRIEVED_AMONG = 2048


@dataclass(frozen=True, kw_only=True)
class ContrastOptions(DisturbanceOptions):
    """What the two views are, and where they meet."""

    views: str = "time"
    """``time``: a record's halves. ``augmented``: the record, disturbed twice. ``both``: its halves, disturbed."""
    same_patient: str = "left-out"
    """Another record of the same patient is ``left-out``, a ``negative`` or a ``positive`` (as CLOCS has it)."""
    dim: int = 128
    """Width of the space in which they are compared."""
    hidden: int = 0
    """Width of a hidden layer on the way there; 0: a linear map."""
    temperature: float = 0.1
    """Similarities are divided by it: the smaller, the more the nearest wrong view counts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self, "views", ("time", "augmented", "both"))
        one_of(self, "same_patient", SAME_PATIENT)
        positive(self, "dim", "temperature")
        if self.hidden < 0:
            raise MethodError(f"option hidden must be at least 0, not {self.hidden}")
        still = self.crop == 1 and self.blank == 0 and self.wearable == 0
        if self.views != "time" and still:
            raise MethodError(f"views={self.views} needs a disturbance: set crop, blank or wearable")


class Contrast(Trained):
    """An encoder and a projection."""

    def __init__(self, setup: Setup, options: ContrastOptions) -> None:
        super().__init__(setup)
        self.options = options
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            self.projection = Projection(setup.encoder.dim, options.dim, hidden=options.hidden or None)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Trained.forward`."""
        first, second = self._compared(*self._views(batch)).chunk(2, dim=1)
        pairs = Pairs.of(batch, self.options.same_patient)
        others = batch.whole(first), batch.whole(second)
        within = self.options.views == "augmented"  # SimCLR's: the same view of other records is wrong, too
        heat = self.options.temperature
        loss = sum(
            (
                info_nce(
                    one @ across.T / heat, pairs, 2 * batch.rows, also=one @ same.T / heat if within else None
                )
                for one, across, same in ((first, others[1], others[0]), (second, others[0], others[1]))
            ),
            start=first.new_zeros(()),
        )
        return loss, {"contrast": loss.detach()}

    def predict(self, windows: Tensor, context: Tensor | None = None) -> Tensor:  # noqa: ARG002 - the contract's
        """The projections of first and second half, undisturbed, side by side."""
        return self._compared(*_halves(windows))

    def measure(self, predictions: Floats, truth: Truth) -> Scores:  # noqa: ARG002 - needs none
        """How often a first half's nearest second half is its own."""
        first, second = np.split(predictions[:_RETRIEVED_AMONG], 2, axis=1)
        similar = first @ second.T
        found = (similar > np.diagonal(similar)[:, None]).sum(axis=1) == 0
        return {"score": float(found.mean()), "retrieval_1": float(found.mean())}

    def _views(self, batch: Batch) -> tuple[Tensor, Tensor]:
        options, chance = self.options, batch.chance
        views = (batch.windows, batch.windows)
        if options.wearable > 0:  # on whole windows: half a window cannot be band-passed as serving would
            views = worn(views[0], chance, options.wearable), worn(views[1], chance, options.wearable)
        if options.views != "augmented":
            views = _halves(views[0])[0], _halves(views[1])[1]
        if options.crop < 1:
            views = cropped(views[0], chance, options.crop), cropped(views[1], chance, options.crop)
        if options.blank > 0:
            views = blanked(views[0], chance, options.blank), blanked(views[1], chance, options.blank)
        return views

    def _compared(self, first: Tensor, second: Tensor) -> Tensor:
        """The projections of two views, side by side: through the encoder in one go, so in one batch norm."""
        both = self.encoder(torch.cat([first, second])).float()
        return torch.cat(self.projection(both).chunk(2), dim=1)


def _halves(windows: Tensor) -> tuple[Tensor, Tensor]:
    middle = windows.shape[-1] // 2
    return windows[..., :middle], windows[..., middle:]
