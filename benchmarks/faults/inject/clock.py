"""Wall clocks that leap, forward and back, and leap back to the truth after a while."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmarks.faults.house import House

Dice = np.random.Generator
Lift = Callable[[], None]


def step(name: str, seconds: Sequence[int]) -> Callable[[House, Dice], Lift]:
    """One of those steps."""

    def begin(house: House, dice: Dice) -> Lift:
        house.clocks[name].step(int(dice.choice(list(seconds))))
        return lambda: house.clocks[name].step(0)

    return begin


KINDS: Mapping[str, Callable[[House, Dice], Lift]] = {
    "clock of redis stepped": step("redis", (-300, -30, -5, 5, 30, 300)),
    # It paces the frames: a step back is a pause, a step forward brings them early.
    "clock of ingest stepped": step("ingest", (-5, -2, 2, 5)),
    "clock of a replica stepped": step("replica-0", (-3600, -30, -5, 5, 30, 3600)),
}
