"""All that a checkpoint holds, in one safetensors file: weights, optimiser, position, history, best weights.

All chance and the learning rate are functions of seed and position, so the position is also their state.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from shared.errors import SelfmisError

FORMAT = 1
FILE = "state.safetensors"

Tensors = dict[str, Tensor]


class StateError(SelfmisError):
    """A checkpoint cannot be used."""


@dataclass
class Position:
    """How far a run is: whole epochs, steps in the one that has begun, and what was summed up in it so far."""

    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None


def pack(
    model: nn.Module,
    optimiser: torch.optim.Optimizer | None,
    position: Position,
    best: Tensors,
    average: nn.Module | None = None,
    *,
    run: str = "",
) -> bytes:
    """The state as bytes; ``run`` says whose it is, where more than its place decides that."""
    tensors: Tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    if average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    if optimiser is not None:
        for number, values in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": tensor for name, tensor in values.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    said = {"format": str(FORMAT), "position": json.dumps(asdict(position)), "run": run}
    return safetensors.torch.save(tensors, said)


@dataclass(frozen=True)
class State:
    """A state that was unpacked."""

    position: Position
    model: Tensors
    best: Tensors
    average: Tensors
    optimiser: dict[int, Tensors]
    run: str = ""

    @property
    def final(self) -> Tensors:
        """The weights a run ends with: the best ones where those were kept, else the average if there is one."""
        return self.best or self.average or self.model

    def into_model(self, model: nn.Module, *, final: bool = False) -> None:
        """Load the weights; those of another shape are refused in one line."""
        _load(model, self.final if final else self.model)

    def into_average(self, average: nn.Module) -> None:
        """Load the moving average of the weights."""
        _load(average, self.average)

    def into_optimiser(self, optimiser: torch.optim.Optimizer) -> None:
        """Load the moments."""
        groups = optimiser.state_dict()["param_groups"]
        if sum(len(group["params"]) for group in groups) != len(self.optimiser):
            raise StateError(
                "the checkpoint does not fit this run: its optimiser has another number of parameters"
            )
        try:
            optimiser.load_state_dict({"state": self.optimiser, "param_groups": groups})
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise StateError(f"the checkpoint's optimiser does not fit this run: {error!r:.100}") from None


def unpack(data: bytes) -> State:
    """The mirror image of `pack`; refuses what is cut short or of another format."""
    try:
        tensors = safetensors.torch.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        if header["format"] != str(FORMAT):
            raise StateError(f"the checkpoint has format {header['format']!r:.20}, this program's is {FORMAT}")
        position = _position(json.loads(header["position"]))
        groups: dict[str, Tensors] = {"model": {}, "best": {}, "average": {}}
        optimiser: dict[int, Tensors] = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "optimiser":
                number, _, key = rest.partition(".")
                optimiser.setdefault(int(number), {})[key] = tensor
            else:
                groups[kind][rest] = tensor
    except (safetensors.SafetensorError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise StateError(f"the checkpoint is damaged or not ours: {error!s:.100}") from None
    return State(position, groups["model"], groups["best"], groups["average"], optimiser, header.get("run", ""))


def _position(said: dict[str, Any]) -> Position:
    """A position whose numbers are numbers; raises what `unpack` catches."""
    position = Position(**said)
    whole = (position.epoch, position.step, 0 if position.best_epoch is None else position.best_epoch)
    if not all(type(number) is int and 0 <= number < 2**53 for number in whole):
        raise ValueError("its position is no number of epochs and steps")
    if not all(isinstance(number, int | float) for number in (position.seconds, *position.sums.values())):
        raise ValueError("its sums are no numbers")
    history: Any = position.history
    if not isinstance(history, list) or not all(isinstance(epoch, dict) for epoch in history):
        raise ValueError("its history is no list of epochs")
    return position


def _load(model: nn.Module, tensors: Tensors) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        why = " ".join(str(error).split())
        raise StateError(f"the checkpoint does not fit this run: {why:.200}") from None
