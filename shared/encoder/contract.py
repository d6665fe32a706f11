"""What every encoder family promises, so that training, export and serving need not know which one they hold."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from shared.errors import SelfmisError

MAX_LEADS = 12


class EncoderError(SelfmisError):
    """An encoder is unknown, or its configuration is impossible."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The shape of an encoder: all that is needed, besides weights, to build it again.

    Families extend it with integers and tuples of integers, and refuse in ``__post_init__``
    (calling this one first) what cannot be built. It goes to JSON and back unchanged.
    """

    leads: int = 1

    def __post_init__(self) -> None:
        within("leads", self.leads, 1, MAX_LEADS)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` of it is equal to this."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The configuration that `to_json` wrote; a missing, unknown or impossible entry is an `EncoderError`."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in sorted(known ^ set(values)):
            raise EncoderError(f"encoder configuration: {'missing' if name in known else 'unknown'} {name!r:.60}")
        arguments: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**arguments)


C = TypeVar("C", bound=Config)


class Encoder(nn.Module, ABC):
    """Windows to embeddings.

    Takes pre-processed windows ``(n, leads, samples)``, float32, any ``n`` of at least one; gives
    ``(n, dim)``. In `eval` mode a row of the result depends on its own window alone. Everything in it
    can be exported to ONNX with a free batch size.
    """

    dim: int
    config: Config  # what it was built from

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """``(n, leads, samples)`` to ``(n, dim)``."""

    def shown(self, x: Tensor) -> Tensor:
        """What the learnt part sees of windows ``(n, leads, samples)``: they, or what fixed rules make of them.

        It deserves full precision, whatever the rest is computed in.
        """
        return x

    def ending_in(self, weight: Tensor, bias: Tensor) -> nn.Module:
        """All after `shown` in `eval` mode and then an affine map of the embedding, as one module for a graph.

        ``weight`` (outputs × dim) and ``bias`` are float64. Families whose own last steps are linear multiply them
        into the map; the result is the same but for rounding.
        """
        return nn.Sequential(self, affine(weight, bias)).eval()

    def features(self, x: Tensor) -> Tensor:  # noqa: ARG002 - for families that have some
        """``(n, leads, samples)`` to ``(n, dim, steps)``, before the embedding sums them up over time."""
        raise EncoderError(f"a {type(self).__name__} has no features over time")


@dataclasses.dataclass(frozen=True)
class Family(Generic[C]):
    """A kind of encoder: its name, how a configuration becomes a module, and its sizes by name."""

    name: str
    config_type: type[C]
    build: Callable[[C], Encoder]
    sizes: Mapping[str, C]

    def create(self, config: C, *, seed: int) -> Encoder:
        """A fresh encoder; the same seed gives the same weights and torch's own generator stays untouched."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build(config)

    def restore(self, values: Mapping[str, Any]) -> Encoder:
        """The encoder of a configuration in JSON, without memory for its weights (on torch's meta device)."""
        with torch.device("meta"):
            return self.build(self.config_type.from_json(values))


def affine(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A linear layer of these constants, in float32."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.load_state_dict({"weight": weight.float(), "bias": bias.float()}, assign=True)
    return layer


def within(name: str, value: object, low: int, high: int) -> None:
    """Refuse what is not an integer from ``low`` to ``high``."""
    if type(value) is not int or not low <= value <= high:
        raise EncoderError(f"encoder configuration: {name} must be {low} to {high}, not {value!r:.60}")


def real_within(name: str, value: object, low: float, high: float) -> None:
    """Refuse what is not a finite number with ``low`` <= value < ``high``."""
    if not isinstance(value, int | float) or not low <= value < high:  # refuses NaN too
        raise EncoderError(f"head configuration: {name} must be in [{low}, {high}), not {value!r:.60}")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
