"""Chance that belongs to a record: what is drawn for a row depends neither on its batch nor on who holds it.

Every number is a hash (splitmix64) of the row's key and of how many were drawn before, as in a counter-based
generator: no state to keep, all rows at once on any device, and N workers draw for a batch what one would draw.
"""

import math
from typing import Self

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)  # as signed numbers, which is what torch has
_FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND = 0x94D049BB133111EB - (1 << 64)


class Chance:
    """One stream of random numbers for each of some rows; each call draws what comes next."""

    def __init__(self, keys: Tensor) -> None:
        """``keys`` (rows), int64: equal keys have equal streams."""
        self._keys = keys
        self._drawn = 0

    @classmethod
    def of(cls, rows: Tensor, *where: int) -> Self:
        """The streams of these rows (int64) at some place, such as a seed and an epoch."""
        at = torch.zeros((), dtype=torch.int64, device=rows.device)
        for number in where:
            at = _mixed(at + _GOLDEN + number)
        return cls(_mixed(_mixed(at + _GOLDEN) + rows))

    def __len__(self) -> int:
        return len(self._keys)

    def uniform(self, *shape: int) -> Tensor:
        """(rows, *shape) between 0 and 1, never either of them."""
        count = math.prod(shape)
        numbers = torch.arange(self._drawn + 1, self._drawn + 1 + count, device=self._keys.device)
        self._drawn += count
        bits = _shifted(
            _mixed(self._keys[:, None] + numbers * _GOLDEN), 41
        )  # 23: with the half, a float32 holds it
        return ((bits.to(torch.float32) + 0.5) / (1 << 23)).reshape(len(self), *shape)

    def between(self, low: float, high: float, *shape: int) -> Tensor:
        """(rows, *shape), evenly in between."""
        return low + (high - low) * self.uniform(*shape)

    def normal(self, *shape: int) -> Tensor:
        """(rows, *shape) of mean 0 and variance 1 (Box and Muller)."""
        radius, angle = self.uniform(2, *shape).unbind(dim=1)
        return (-2 * radius.log()).sqrt() * (2 * math.pi * angle).cos()

    def below(self, top: int, *shape: int) -> Tensor:
        """(rows, *shape) of 0 … ``top`` − 1."""
        return (self.uniform(*shape) * top).to(torch.int64).clamp(max=top - 1)

    def ranks(self, count: int) -> Tensor:
        """(rows, count): for each row the numbers 0 … ``count`` − 1 in an order of its own."""
        return self.uniform(count).argsort(dim=1, stable=True)


def _mixed(x: Tensor) -> Tensor:
    x = (x ^ _shifted(x, 30)) * _FIRST
    x = (x ^ _shifted(x, 27)) * _SECOND
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, by: int) -> Tensor:
    return (x >> by) & ((1 << (64 - by)) - 1)
