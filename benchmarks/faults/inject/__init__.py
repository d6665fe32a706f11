"""Each kind of `plan.KINDS` done to a `House`: a function that begins it and gives the one that lifts it."""

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.faults.house import House
from benchmarks.faults.inject import clock, network, processes, serve, storage
from benchmarks.faults.plan import Fault

Dice = np.random.Generator
Lift = Callable[[], None]
Inject = Callable[[House, Dice], Lift]

BY_KIND: Mapping[str, Inject] = {
    **processes.KINDS,
    **network.KINDS,
    **storage.KINDS,
    **clock.KINDS,
    **serve.KINDS,
}


def inject(fault: Fault, house: House) -> Lift:
    """Begin; call what it gives when ``fault.lasts_s`` have passed. Harmless where the victim has gone."""
    return BY_KIND[fault.kind](house, np.random.default_rng(fault.dice))
