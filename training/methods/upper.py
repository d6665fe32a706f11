"""The upper bound: labels from scratch with all twelve leads. Its run is the usual teacher."""

from dataclasses import dataclass

from torch import Tensor

from shared.frames import LEADS
from training.methods.classification import Classifying, HeadOptions, classification
from training.methods.contract import Batch, Method, Setup
from training.methods.disturbances import DisturbanceOptions, disturbed
from training.methods.options import Needs, one_of
from training.methods.views import leads_without


@dataclass(frozen=True, kw_only=True)
class UpperOptions(DisturbanceOptions, HeadOptions):
    """What it is shown, and its head."""

    hide: str = "none"
    """A lead that it never sees: the fair teacher for students with ``own_lead=no``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self, "hide", ("none", *LEADS))


class Upper(Classifying):
    """An encoder of twelve leads and a linear head, learnt together."""

    seen: Tensor

    def __init__(self, setup: Setup, options: UpperOptions) -> None:
        super().__init__(setup, options)
        self.options = options
        self.register_buffer("seen", leads_without(options.hide), persistent=False)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Trained.forward`."""
        windows = disturbed(self.shown(batch.windows), self.options, batch.chance)
        loss = classification(self.head(self.encoder(windows)), batch)
        return loss, {"classification": loss.detach()}

    def shown(self, windows: Tensor) -> Tensor:
        """All leads but the hidden one."""
        return windows * self.seen


METHOD = Method(
    "upper",
    "labels from scratch, on all twelve leads",
    UpperOptions,
    Needs(labels=True, all_leads=True),
    build=Upper,
)
