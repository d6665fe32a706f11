"""Hyper-parameters of a method: a frozen dataclass, read as typed, that refuses nonsense and knows its needs."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from shared.errors import SelfmisError


class MethodError(SelfmisError):
    """A method is unknown, or asked for what it cannot do."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a batch must carry, and so what rows a method can be trained on."""

    all_leads: bool = False
    """The encoder itself reads all twelve leads."""
    labels: bool = False
    teacher: bool = False
    """The embeddings that a frozen teacher has of the records."""
    network: bool = False
    """The teacher's own encoder and head, beside its embeddings."""
    hidden_lead: bool = False
    """The teacher's embeddings are of the other eleven leads: the student's own is zeros to it."""
    context: bool = False
    """All twelve leads of the same records, beside what the encoder reads."""
    one_of_twelve: bool = False
    """The encoder has twelve inputs while it learns, and need only see one of them: a run ends with the part of it
    that reads the student's lead alone."""
    training: bool = True


@dataclass(frozen=True, kw_only=True)
class Options:
    """Hyper-parameters of a method: numbers, words and truth values, each with a default.

    Those that several methods share are mixed in, so ``__post_init__`` and `needs` call their ``super()``.
    """

    def __post_init__(self) -> None:
        """Refuse what cannot be, as a `MethodError`."""

    def needs(self, base: Needs) -> Needs:
        """What the method needs with these options; they may add to ``base``, but neither labels nor training."""
        return base

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


def positive(options: Options, *names: str) -> None:
    """Refuse options that are not above zero and finite."""
    for name in names:
        if not 0 < getattr(options, name) < float("inf"):
            raise MethodError(f"option {name} must be above 0, not {getattr(options, name)}")


def within(options: Options, name: str, low: float, high: float) -> None:
    """Refuse a number that is not in ``low`` … ``high``, both allowed."""
    if not low <= getattr(options, name) <= high:
        raise MethodError(f"option {name} must be {low:g} to {high:g}, not {getattr(options, name)}")


def one_of(options: Options, name: str, allowed: Sequence[str]) -> None:
    """Refuse a word that is not among those allowed."""
    if getattr(options, name) not in allowed:
        raise MethodError(f"option {name} must be one of {', '.join(allowed)}, not {getattr(options, name)!r:.60}")


def plain(options: Options) -> Mapping[str, Any]:
    """The options as JSON values."""
    return dataclasses.asdict(options)


def typed(value: Any) -> str:
    """A value as it would be typed."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _parsed(key: str, value: str, kind: type) -> Any:
    if kind is bool:
        if value not in ("yes", "no"):
            raise MethodError(f"option {key} must be yes or no, not {value!r:.60}")
        return value == "yes"
    try:
        return kind(value)
    except ValueError:
        raise MethodError(f"option {key} must be {'a number' if kind is float else kind.__name__}") from None
