"""A twelve-lead classifier that learns to do without: leads are dropped while it learns, and one is left in use.

Each lead is normalised by itself, so a dropped lead, a flat one and one that a device does not have are the same
zeros. What is left is made as loud as twelve leads together, or the first layer would mean something else to the
layers behind it with every number of leads. In the end nothing is left of it but the part that reads the student's
lead (`training.methods.one_lead`): as fast, and as small, as an encoder of one lead.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from shared.frames import LEADS
from training.methods.classification import Classifying, HeadOptions, classification
from training.methods.contract import Batch, Method, Setup
from training.methods.disturbances import DisturbanceOptions, disturbed
from training.methods.options import MethodError, Needs
from training.methods.views import placed, visible


@dataclass(frozen=True, kw_only=True)
class LeadMaskingOptions(DisturbanceOptions, HeadOptions):
    """How many leads are left."""

    fewest: int = 1
    """Of each record 1 … 12 leads are left, evenly likely from this number on, and which ones is chance."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.fewest <= len(LEADS):
            raise MethodError(f"option fewest must be 1 to {len(LEADS)}, not {self.fewest}")


class LeadMasking(Classifying):
    """An encoder of twelve leads and a linear head on it."""

    def __init__(self, setup: Setup, options: LeadMaskingOptions) -> None:
        super().__init__(setup, options)
        self.options = options
        self.lead = LEADS.index(setup.lead)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Trained.forward`."""
        least = self.options.fewest
        left = least + batch.chance.below(len(LEADS) - least + 1)
        shown = batch.chance.ranks(len(LEADS)) < left[:, None]
        windows = visible(disturbed(batch.windows, self.options, batch.chance), shown)
        loss = classification(self.head(self.encoder(windows)), batch)
        return loss, {"classification": loss.detach()}

    def shown(self, windows: Tensor) -> Tensor:
        """The student's lead alone."""
        which = torch.full((len(windows),), self.lead, device=windows.device)
        return placed(windows[:, self.lead : self.lead + 1], which)


METHOD = Method(
    "lead-masking",
    "a twelve-lead classifier trained with leads dropped, used on the one lead",
    LeadMaskingOptions,
    Needs(labels=True, all_leads=True, one_of_twelve=True),
    build=LeadMasking,
    paper="random lead masking, arXiv 2203.06889",
)
