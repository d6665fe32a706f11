"""What a way of training an encoder is: one contract for the paper's method, its yardsticks and its rivals.

A method is a module file with a `METHOD`: its name, its hyper-parameters (a frozen dataclass that refuses
nonsense), what a batch must carry for it, and how it is built. What it builds is one torch module with everything
that is trained in it. Whoever trains it need not know which one it holds.

How the sums work, for one worker and for many: a batch is cut into shares, one a worker. `Trained.forward` gives
the share's part of each term, already divided by the rows of the *whole* batch; the terms of all workers add up to
the term of the batch, and so do the gradients. Nothing else may depend on how the batch was cut.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from shared.encoder import Encoder, Head
from training.methods.chance import Chance
from training.methods.options import MethodError, Needs, Options, typed

Floats = npt.NDArray[np.float32]
Scores = dict[str, float]


@dataclass(frozen=True)
class Teacher:
    """A frozen teacher as a method sees it: its embeddings' mean and spread over the training rows.

    ``encoder``, ``head`` and the names of its ``outputs`` are there for a method that needs its network; a teacher
    that learnt no labels has no head.
    """

    mean: Floats
    std: Floats
    encoder: Encoder | None = None
    head: Head | None = None
    outputs: tuple[str, ...] = ()

    @property
    def dim(self) -> int:
        """Width of an embedding."""
        return len(self.mean)


@dataclass(frozen=True)
class Setup:
    """What a method is built from: a fresh encoder, the names of the label columns, and perhaps a teacher.

    ``lead`` is the one that the finished encoder is to read, if it reads one.
    """

    encoder: Encoder
    outputs: tuple[str, ...]
    seed: int
    teacher: Teacher | None = None
    lead: str = "I"


@dataclass(frozen=True)
class Batch:
    """One worker's share of a batch, and what it must know of the rest.

    ``windows`` (b × leads × samples), ``labels`` (b × outputs) and ``context`` (b × 12 × samples) are the share's
    rows; ``teacher`` (B × dim) and ``patients`` (B) are those of the whole batch, in which the share begins at
    ``first``. ``chance`` is for methods that need it: a stream for each of the share's rows. ``whole`` makes of
    the share's rows of anything (b × …) those of the whole batch (B × …), with gradients; every worker calls it
    equally often. A method whose negatives learn needs it; one with a frozen teacher does not.
    """

    windows: Tensor
    rows: int
    first: int
    chance: Chance
    labels: Tensor | None = None
    context: Tensor | None = None
    teacher: Tensor | None = None
    patients: Tensor | None = None
    whole: Callable[[Tensor], Tensor] = lambda share: share

    @property
    def share(self) -> slice:
        """Where the share's rows stand in the batch."""
        return slice(self.first, self.first + len(self.windows))


@dataclass(frozen=True)
class Truth:
    """What predictions on validation rows are measured against."""

    labels: Floats | None
    teacher: Floats | None


class Trained(nn.Module, ABC):
    """Everything that a method trains, in one module; in it the encoder, which is what the training is for.

    What is frozen in it takes no gradients. ``head`` is a classification head whose columns are ``outputs``, if
    the run is to have one.
    """

    encoder: Encoder
    head: Head | None
    better: ClassVar[str] = "score"  # the entry of `measure` that says which epoch is better; higher is

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.encoder = setup.encoder
        self.head = None
        self.outputs = setup.outputs

    @abstractmethod
    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The share's part of the loss, and of each term for the record (without gradients)."""

    def predict(self, windows: Tensor, context: Tensor | None = None) -> Tensor:  # noqa: ARG002 - for those who need it
        """A row for each validation window, which `measure` then judges; embeddings unless a method has better."""
        embedding: Tensor = self.encoder(windows)
        return embedding

    def measure(self, predictions: Floats, truth: Truth) -> Scores:  # noqa: ARG002 - for those who need it
        """How good the predictions are, as named numbers, `score` among them; nothing unless a method can tell."""
        return {}


O = TypeVar("O", bound=Options)  # noqa: E741 - options


@dataclass(frozen=True)
class Method(Generic[O]):
    """A way of training an encoder."""

    name: str
    summary: str
    options: type[O]
    needs: Needs
    """With the options as they are by default or otherwise: options may add to it."""
    build: Callable[[Setup, O], Trained]
    label_free: bool = False
    """Uses no labels itself; whether a run is label-free also depends on its teacher."""
    paper: str = ""
    """Where it was published: authors, year, arXiv id."""

    def describe(self) -> dict[str, Any]:
        """What there is to know before choosing it, as JSON values; options with their defaults, as typed."""
        return {
            "name": self.name,
            "summary": self.summary,
            "paper": self.paper,
            "leads": "twelve" if self.needs.all_leads and not self.needs.one_of_twelve else "one",
            "labels": self.needs.labels,
            "teacher": self.needs.teacher,
            "trains": self.needs.training,
            "options": {field.name: typed(field.default) for field in dataclasses.fields(self.options)},
        }


def required(value: Tensor | None, what: str) -> Tensor:
    """A part of the batch that the method declared in its `Needs`."""
    if value is None:
        raise MethodError(f"the batch carries no {what}, which this method needs")
    return value
