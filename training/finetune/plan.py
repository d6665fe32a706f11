"""What fine-tuning was asked to do; refuses nonsense."""

from dataclasses import dataclass

from shared.errors import SelfmisError


class FinetuneError(SelfmisError):
    """Fine-tuning cannot be done as asked."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How the weights move. Everything else that decides the result is the split of the records."""

    epochs: int = 10
    batch: int = 64
    lr: float = 1e-3  # of the head
    encoder_lr: float = 1e-4  # low: what pre-training found is to be bent, not replaced
    warmup: float = 0.1  # of all steps, during which both rates rise from 0
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient
    patience: int = 3  # epochs without a better validation loss before it ends

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch", 2), ("patience", 1)):
            if getattr(self, name) < least:
                raise FinetuneError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name, low, high in (
            ("lr", 0.0, 10.0),
            ("encoder_lr", -1.0, 10.0),
            ("warmup", -1.0, 0.9),
            ("weight_decay", -1.0, 10.0),
            ("clip", 0.0, float("inf")),
        ):
            value = getattr(self, name)
            if not (low < value <= high and value >= 0):
                raise FinetuneError(f"{name} must be {'above 0' if low == 0 else '0'} to {high:g}, not {value:g}")
