"""The highest level that is held, on a grid: doubling until one is not, then halving the gap."""

from collections.abc import Callable


def highest(held: Callable[[int], bool], *, first: int, grid: int, most: int) -> int:
    """The highest multiple of ``grid`` that is held, from ``first`` up to ``most``; 0 if the first is not.

    Takes for granted that what is held holds below, too. Asks about each level once, about
    log₂(most / first) + log₂(most / grid) of them.
    """
    low, level = 0, grid * max(1, round(first / grid))
    while level <= most and held(level):
        low, level = level, min(2 * level, grid * (most // grid)) if level < grid * (most // grid) else most + 1
    high = level
    if not low:
        return 0
    while high - low > grid:
        middle = grid * ((low + high) // (2 * grid))
        low, high = (middle, high) if held(middle) else (low, middle)
    return low
