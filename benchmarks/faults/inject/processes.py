"""Processes killed, and processes stopped for so long that others must take them for dead."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np

from benchmarks.faults.house import AOF, House, kill

Dice = np.random.Generator
Lift = Callable[[], None]
# What `appendfsync everysec` may lose when the machine, not only the process, goes down.
UNSYNCED_S = 1.0
_GONE_WITHIN_S = 20.0


def _nothing() -> None:
    """Over at once."""


def _one_replica(house: House, dice: Dice) -> int | None:
    pids = sorted(house.replica_pids())
    return pids[int(dice.integers(len(pids)))] if pids else None


def kill_replica(house: House, dice: Dice) -> Lift:
    """One of them."""
    kill(_one_replica(house, dice))
    return _nothing


def kill_all_replicas(house: House, _: Dice) -> Lift:
    """All at once: nobody is left to take over."""
    for pid in house.replica_pids():
        kill(pid)
    return _nothing


def kill_ingest(house: House, _: Dice) -> Lift:
    """With all that it had not yet sent."""
    kill(house.ingest.pid)
    return _nothing


def stop_replica(house: House, dice: Dice) -> Lift:
    """It wakes with leases that have run out, in the midst of whatever it did."""
    return _stopped(_one_replica(house, dice))


def stop_ingest(house: House, _: Dice) -> Lift:
    """It wakes late."""
    return _stopped(house.ingest.pid)


def stop_redis(house: House, _: Dice) -> Lift:
    """It holds all connections and answers nobody."""
    return _stopped(house.redis_pid())


def kill_redis(house: House, _: Dice) -> Lift:
    """The process; what it had written is with the kernel, so nothing that was confirmed is lost."""
    kill(house.redis_pid())
    return _nothing


def lose_power(house: House, _: Dice) -> Lift:
    """Redis and what the disk had not yet."""
    kill_and_cut(house, time.monotonic())
    return _nothing


def stop_and_lose_power(house: House, _: Dice) -> Lift:
    """It hangs for longer than senders keep what was confirmed, and then loses what it confirmed last."""
    kill(house.redis_pid(), signal.SIGSTOP)
    stopped_s = time.monotonic()
    return lambda: kill_and_cut(house, stopped_s)


def kill_and_cut(house: House, worked_until_s: float) -> None:
    """Kill Redis, cut its log to where it stood a second before ``worked_until_s``, and let it start again."""
    killed(house)
    path = house.redis_folder / AOF
    with suppress(FileNotFoundError):
        now = path.stat()
        then = worked_until_s - UNSYNCED_S
        synced = [size for at, size, file in house.aof if at <= then and file == now.st_ino]
        if synced and synced[-1] < now.st_size:
            os.truncate(path, synced[-1])
            house.bytes_cut += now.st_size - synced[-1]
    house.redis.held = False


def killed(house: House) -> None:
    """Kill Redis and wait until it is gone. The caller lets its service start it again."""
    house.redis.held = True
    kill(house.redis_pid())
    deadline = time.monotonic() + _GONE_WITHIN_S
    while house.redis.processes() and time.monotonic() < deadline:
        time.sleep(0.02)


def _stopped(pid: int | None) -> Lift:
    kill(pid, signal.SIGSTOP)
    return lambda: kill(pid, signal.SIGCONT)


KINDS: Mapping[str, Callable[[House, Dice], Lift]] = {
    "replica killed": kill_replica,
    "all replicas killed": kill_all_replicas,
    "replica stopped": stop_replica,
    "ingest killed": kill_ingest,
    "ingest stopped": stop_ingest,
    "redis killed": kill_redis,
    "redis killed, last second lost": lose_power,
    "redis stopped": stop_redis,
    "redis stopped, then killed, last second lost": stop_and_lose_power,
}
