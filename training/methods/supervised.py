"""The yardstick that the paper must beat: the same encoder, on the same lead, taught with labels from scratch."""

from dataclasses import dataclass

from torch import Tensor

from training.methods.classification import Classifying, HeadOptions, classification
from training.methods.contract import Batch, Method, Setup
from training.methods.options import Needs
from training.methods.views import View, ViewOptions


@dataclass(frozen=True, kw_only=True)
class SupervisedOptions(ViewOptions, HeadOptions):
    """What the student is shown, and its head."""


class Supervised(Classifying):
    """An encoder and a linear head, learnt together."""

    def __init__(self, setup: Setup, options: SupervisedOptions) -> None:
        super().__init__(setup, options)
        self.view = View(options, setup)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Trained.forward`."""
        loss = classification(self.head(self.encoder(self.view.training(batch))), batch)
        return loss, {"classification": loss.detach()}

    def shown(self, windows: Tensor) -> Tensor:
        """See `Classifying.shown`."""
        return self.view.plain(windows)


METHOD = Method(
    "supervised", "labels from scratch, on the one lead", SupervisedOptions, Needs(labels=True), build=Supervised
)
