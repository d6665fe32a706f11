"""Ray's own processes killed: Serve's controller, its proxy, and raylet, with which the whole node goes."""

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.faults.house import House, kill

Dice = np.random.Generator
Lift = Callable[[], None]


def kill_process(title: str) -> Callable[[House, Dice], Lift]:
    """All whose title begins so (there is one of each)."""

    def begin(house: House, _: Dice) -> Lift:
        for pid in house.serve_pids(title):
            kill(pid)
        return lambda: None

    return begin


KINDS: Mapping[str, Callable[[House, Dice], Lift]] = {
    "controller killed": kill_process("ray::ServeController"),
    "proxy killed": kill_process("ray::ProxyActor"),
    "raylet killed": kill_process("raylet"),
}
