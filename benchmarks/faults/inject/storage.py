"""What Redis stands on: its disk full, its memory full, its scripts forgotten."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np
from redis.exceptions import RedisError

from benchmarks.faults import disk
from benchmarks.faults.house import House
from benchmarks.faults.inject.processes import killed
from shared.redis.local import local_client

Dice = np.random.Generator
Lift = Callable[[], None]
_TIMEOUT_S = 2.0


def fill_disk(house: House, _: Dice) -> Lift:
    """Redis notices within a second and refuses all that writes; what it took until then is in memory only."""
    disk.fill(house.redis_folder)
    return lambda: disk.clear(house.redis_folder)


def fill_disk_and_kill(house: House, _: Dice) -> Lift:
    """What a person does to a Redis that refuses everything: make room, and start it anew. Too early, in fact."""
    disk.fill(house.redis_folder)

    def lift() -> None:
        killed(house)
        disk.clear(house.redis_folder)
        house.redis.held = False

    return lift


def fill_memory(house: House, dice: Dice) -> Lift:
    """The limit of Redis goes below what it holds: nothing can be added until it is lifted."""
    limit = round(_used(house) * float(dice.uniform(0.5, 1.0)))
    _configure(house, max(1, limit))
    return lambda: _configure(house, house.build.maxmemory_mb << 20)


def flush_scripts(house: House, _: Dice) -> Lift:
    """As a restart or a new master does."""
    with suppress(RedisError, OSError), local_client(house.port, timeout_s=_TIMEOUT_S) as client:
        client.script_flush()
    return lambda: None


def _used(house: House) -> int:
    with suppress(RedisError, OSError), local_client(house.port, timeout_s=_TIMEOUT_S) as client:
        return int(client.info("memory")["used_memory"])
    return 1


def _configure(house: House, maxmemory: int) -> None:
    """A Redis that is away has the limit of its options when it comes back."""
    with suppress(RedisError, OSError), local_client(house.port, timeout_s=_TIMEOUT_S) as client:
        client.config_set("maxmemory", maxmemory)


KINDS: Mapping[str, Callable[[House, Dice], Lift]] = {
    "disk full": fill_disk,
    "disk full, then redis killed": fill_disk_and_kill,
    "memory full": fill_memory,
    "scripts flushed": flush_scripts,
}
