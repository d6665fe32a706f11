"""Which folds train, which choose and which test."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from training.compare.arm import CompareError


@dataclass(frozen=True)
class Folds:
    """One split; no fold is in two of its parts."""

    train: tuple[int, ...]
    validate: tuple[int, ...]
    test: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("train", "validate", "test"):
            if not getattr(self, name):
                raise CompareError(f"no fold to {name} on")
        parts = [set(self.train), set(self.validate), set(self.test)]
        for i, one in enumerate(parts):
            for other in parts[i + 1 :]:
                if both := one & other:
                    raise CompareError(f"fold {min(both)} is in two of train, validate and test")


def rotations(folds: Sequence[int], times: int | None = None) -> tuple[Folds, ...]:
    """A cross-validation: every fold is tested once, by encoders that have not seen it.

    The folds are cut into ``times`` groups (default: one a fold), each the test of one split; the fold after it
    (the first one after the last) validates, the others train.

    >>> rotations((1, 2, 3, 4), 2)[0]
    Folds(train=(4,), validate=(3,), test=(1, 2))
    """
    ordered = sorted(set(folds))
    count = len(ordered) if times is None else times
    if not 2 <= count <= len(ordered):
        raise CompareError(f"{len(ordered)} folds can be rotated 2 to {len(ordered)} times, not {count}")
    bounds = [round(k * len(ordered) / count) for k in range(count + 1)]
    splits = []
    for start, end in pairwise(bounds):
        chooses = ordered[end % len(ordered)]
        test = tuple(ordered[start:end])
        train = tuple(fold for fold in ordered if fold not in test and fold != chooses)
        if not train:
            raise CompareError(f"{len(ordered)} folds rotated {count} times leave none to train on")
        splits.append(Folds(train, (chooses,), test))
    return tuple(splits)
