"""The wires to Redis, of the monitor and of ingest: cut, silent, slow, throttled, deaf to replies."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.faults.house import House

Dice = np.random.Generator
Lift = Callable[[], None]
_FRAME_BYTES = 300


def cut(wire: str) -> Callable[[House, Dice], Lift]:
    """Connections break and cannot be made."""
    return lambda house, _: _weather(house, wire, {"cut": True}, {"cut": False})


def silence(wire: str) -> Callable[[House, Dice], Lift]:
    """Nothing gets through and nobody is told; what was on its way arrives in the end."""
    return lambda house, _: _weather(house, wire, {"silent": True}, {"silent": False})


def slow(wire: str) -> Callable[[House, Dice], Lift]:
    """Every byte takes long, each way."""

    def begin(house: House, dice: Dice) -> Lift:
        return _weather(house, wire, {"delay_s": float(dice.uniform(0.05, 0.8))}, {"delay_s": 0.0})

    return begin


def throttle(wire: str) -> Callable[[House, Dice], Lift]:
    """About as much gets through as frames need, or less."""

    def begin(house: House, dice: Dice) -> Lift:
        rate = house.build.patients * _FRAME_BYTES * float(dice.uniform(0.4, 1.5))
        return _weather(house, wire, {"bytes_per_s": rate}, {"bytes_per_s": None})

    return begin


def deafen(wire: str) -> Callable[[House, Dice], Lift]:
    """Redis does what it is asked, and nobody hears that it did."""
    return lambda house, _: _weather(house, wire, {"deaf": True}, {"deaf": False})


def _weather(house: House, wire: str, bad: dict[str, Any], good: dict[str, Any]) -> Lift:
    house.wires[wire].change(**bad)
    return lambda: house.wires[wire].change(**good)


KINDS: Mapping[str, Callable[[House, Dice], Lift]] = {
    f"{wire} {name}": begin(wire)
    for wire in ("monitor", "ingest")
    for name, begin in (
        ("network cut", cut),
        ("network silent", silence),
        ("network slow", slow),
        ("network throttled", throttle),
        ("replies lost", deafen),
    )
}
