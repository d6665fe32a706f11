"""The yardstick that the paper must beat: the same encoder, on the same lead, taught with labels from scratch."""

from torch import Tensor

from shared.encoder import Head
from training.methods import classification
from training.methods.contract import (
    Batch,
    Floats,
    Method,
    MethodError,
    Needs,
    Options,
    Scores,
    Setup,
    Trained,
    Truth,
)


class Supervised(Trained):
    """An encoder and a linear head, learnt together."""

    def __init__(self, setup: Setup, _options: Options) -> None:
        super().__init__()
        self.encoder = setup.encoder
        self.head: Head = classification.head_for(setup)
        self.outputs = setup.outputs

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Trained.forward`."""
        loss = classification.classification(self.predict(batch.windows), batch)
        return loss, {"classification": loss.detach()}

    def predict(self, windows: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self.encoder(windows))
        return logits

    def measure(self, predictions: Floats, truth: Truth) -> Scores:
        """See `classification.measure`."""
        if truth.labels is None:
            raise MethodError("validation rows without labels cannot judge a classifier")
        return classification.measure(predictions, truth.labels, self.outputs)


METHOD = Method(
    "supervised", "labels from scratch, on the one lead", Options, Needs(labels=True), build=Supervised
)
