"""The lower bound: an encoder that never learnt anything."""

from torch import Tensor

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


class Random(Trained):
    """The fresh encoder."""

    def __init__(self, setup: Setup, _options: Options) -> None:
        super().__init__()
        self.encoder = setup.encoder

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:  # noqa: ARG002 - the contract's
        """Never called: there is nothing to train."""
        raise MethodError("the method random trains nothing")

    def predict(self, windows: Tensor) -> Tensor:
        """Embeddings."""
        embedding: Tensor = self.encoder(windows)
        return embedding

    def measure(self, predictions: Floats, truth: Truth) -> Scores:  # noqa: ARG002 - the contract's
        """Nothing."""
        return {}


METHOD = Method("random", "no training at all", Options, Needs(training=False), build=Random, label_free=True)
