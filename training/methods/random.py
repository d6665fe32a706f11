"""The lower bound: an encoder that never learnt anything. On twelve leads it is the worst teacher there can be."""

import dataclasses
from dataclasses import dataclass

from torch import Tensor

from training.methods.contract import Batch, Method, Setup, Trained
from training.methods.options import MethodError, Needs, Options, one_of


@dataclass(frozen=True, kw_only=True)
class RandomOptions(Options):
    """What it reads."""

    leads: str = "one"
    """``one`` or ``twelve``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self, "leads", ("one", "twelve"))

    def needs(self, base: Needs) -> Needs:
        """As many leads."""
        return dataclasses.replace(super().needs(base), all_leads=self.leads == "twelve")


class Random(Trained):
    """The fresh encoder."""

    def __init__(self, setup: Setup, _options: RandomOptions) -> None:
        super().__init__(setup)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:  # noqa: ARG002 - the contract's
        """Never called: there is nothing to train."""
        raise MethodError("the method random trains nothing")


METHOD = Method(
    "random", "no training at all", RandomOptions, Needs(training=False), build=Random, label_free=True
)
