"""Who lives: each replica writes, by Redis' clock, until when it counts as live.

No replica's own clock is asked, so one that is hours wrong divides the shards as the others do.
"""

from dataclasses import dataclass
from math import inf

from services.inference.commit.link import Link
from services.inference.commit.script import Script
from shared.shards import REPLICAS_KEY

# KEYS: the replicas. ARGV: replica, keep ms. Should the server's clock be set back, nobody
# counts as live for longer than one that beats now. Removing comes first: a full Redis allows it, then all.
_BEAT = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = string.format('%.0f', now + ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
for _, ahead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ends, '+inf')) do
  redis.call('ZADD', KEYS[1], ends, ahead)
end
redis.call('ZADD', KEYS[1], ends, ARGV[1])
return {string.format('%.0f', now), redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')}
""")


@dataclass(frozen=True, slots=True)
class Live:
    """Who lives, and in how many seconds the first of the others does no longer unless it beats again."""

    replicas: frozenset[str]
    first_end_s: float


class Heartbeats:
    """The heartbeat of one replica. All replicas of a monitor should use the same ``keep_ms``."""

    def __init__(self, link: Link, replica: str, *, keep_ms: int) -> None:
        self._link, self._replica, self._keep_ms = link, replica, keep_ms

    def beat(self) -> Live:
        """Live for another ``keep_ms``; who else is. Raises what redis-py raises."""
        now, flat = _BEAT(self._link.client, (REPLICAS_KEY,), self._replica, self._keep_ms)
        ends = {name.decode(): float(end) for name, end in zip(flat[::2], flat[1::2], strict=True)}
        others = [end for name, end in ends.items() if name != self._replica]
        return Live(frozenset(ends), (min(others) - float(now)) / 1000 if others else inf)

    def stop(self) -> None:
        """Leave: the others share what was ours at their next beat."""
        self._link.client.zrem(REPLICAS_KEY, self._replica)
