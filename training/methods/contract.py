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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from shared.encoder import Encoder, Head
from shared.errors import SelfmisError

Floats = npt.NDArray[np.float32]
Scores = dict[str, float]


class MethodError(SelfmisError):
    """A method is unknown, or asked for what it cannot do."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Hyper-parameters of a method: numbers, words and truth values, each with a default."""

    @classmethod
    def parse(cls, pairs: Sequence[str]) -> Self:
        """From ``KEY=VALUE`` as typed; an unknown key or a value of another kind is a `MethodError`."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if not equals:
                raise MethodError(f"option {pair!r:.60}: write it as KEY=VALUE")
            if key not in fields:
                known = f"it has {', '.join(fields)}" if fields else "it has none"
                raise MethodError(f"the method has no option {key!r:.60}; {known}")
            values[key] = _parsed(key, value, type(fields[key].default))
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a batch must carry, and so what rows a method can be trained on."""

    all_leads: bool = False
    """The encoder itself reads all twelve leads."""
    labels: bool = False
    teacher: bool = False
    context: bool = False
    """All twelve leads of the same records, beside what the encoder reads."""
    training: bool = True


@dataclass(frozen=True)
class Teacher:
    """A frozen teacher as a method sees it: its embeddings' mean and spread over the training rows."""

    mean: Floats
    std: Floats

    @property
    def dim(self) -> int:
        """Width of an embedding."""
        return len(self.mean)


@dataclass(frozen=True)
class Setup:
    """What a method is built from: a fresh encoder, the names of the label columns, and perhaps a teacher."""

    encoder: Encoder
    outputs: tuple[str, ...]
    seed: int
    teacher: Teacher | None = None


@dataclass(frozen=True)
class Batch:
    """One worker's share of a batch, and what it must know of the rest.

    ``windows`` (b × leads × samples), ``labels`` (b × outputs) and ``context`` (b × 12 × samples) are the share's
    rows; ``teacher`` (B × dim) and ``patients`` (B) are those of the whole batch, in which the share begins at
    ``first``. ``draws`` is for methods that need chance: seeded by run, epoch, step and share. ``whole`` makes of
    the share's rows of anything (b × …) those of the whole batch (B × …), with gradients; every worker calls it
    equally often. A method whose negatives learn needs it; one with a frozen teacher does not.
    """

    windows: Tensor
    rows: int
    first: int
    draws: torch.Generator
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
    """Everything that a method trains, in one module; in it the encoder, which is what the training is for."""

    encoder: Encoder
    head: Head | None  # a classification head, if the method trains one
    better: ClassVar[str] = "score"  # the entry of `measure` that says which epoch is better; higher is

    def __init__(self) -> None:
        super().__init__()
        self.head = None

    @abstractmethod
    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The share's part of the loss, and of each term for the record (without gradients)."""

    @abstractmethod
    def predict(self, windows: Tensor) -> Tensor:
        """A row for each window, which `measure` then judges."""

    @abstractmethod
    def measure(self, predictions: Floats, truth: Truth) -> Scores:
        """How good the predictions are, as named numbers; `score` among them."""


O = TypeVar("O", bound=Options)  # noqa: E741 - options


@dataclass(frozen=True)
class Method(Generic[O]):
    """A way of training an encoder."""

    name: str
    summary: str
    options: type[O]
    needs: Needs
    build: Callable[[Setup, O], Trained]
    label_free: bool = False
    """Uses no labels itself; whether a run is label-free also depends on its teacher."""


def required(value: Tensor | None, what: str) -> Tensor:
    """A part of the batch that the method declared in its `Needs`."""
    if value is None:
        raise MethodError(f"the batch carries no {what}, which this method needs")
    return value


def positive(options: Options, *names: str) -> None:
    """Refuse options that are not above zero and finite."""
    for name in names:
        if not 0 < getattr(options, name) < float("inf"):
            raise MethodError(f"option {name} must be above 0, not {getattr(options, name)}")


def one_of(options: Options, name: str, allowed: Sequence[str]) -> None:
    """Refuse a word that is not among those allowed."""
    if getattr(options, name) not in allowed:
        raise MethodError(f"option {name} must be one of {', '.join(allowed)}, not {getattr(options, name)!r:.60}")


def plain(options: Options) -> Mapping[str, Any]:
    """The options as JSON values."""
    return dataclasses.asdict(options)


def _parsed(key: str, value: str, kind: type) -> Any:
    if kind is bool:
        if value not in ("yes", "no"):
            raise MethodError(f"option {key} must be yes or no, not {value!r:.60}")
        return value == "yes"
    try:
        return kind(value)
    except ValueError:
        raise MethodError(f"option {key} must be {'a number' if kind is float else kind.__name__}") from None
