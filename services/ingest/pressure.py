"""Back-pressure: whether Redis and the consumers can take more, decided from lag and memory.

Pure, with hysteresis, so that the sender neither flutters at a limit nor hides it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """When to hold back. ``lag_s``: consumers may be this far behind; ``memory``: share of Redis' maxmemory."""

    lag_s: float
    memory: float

    # Release at these shares of the limit.
    LAG_RELEASE = 0.5
    MEMORY_RELEASE = 0.9


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read last. ``lag_s`` None: nobody has consumed yet; ``memory`` None: Redis has no limit."""

    lag_s: float | None = None
    memory: float | None = None
    refused: bool = False


def hold(before: str | None, now: Readings, limits: Limits) -> str | None:
    """Why to hold back (``"memory"``, ``"lag"``) or None; ``before`` is the last answer."""
    memory = limits.memory * (limits.MEMORY_RELEASE if before == "memory" else 1)
    if now.refused or (now.memory is not None and now.memory > memory):
        return "memory"
    lag = limits.lag_s * (limits.LAG_RELEASE if before == "lag" else 1)
    if now.lag_s is not None and now.lag_s > lag:
        return "lag"
    return None
