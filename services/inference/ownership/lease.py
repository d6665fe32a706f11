"""Who owns a shard: a token with a time limit, and an epoch that counts tenures and never expires.

The token fences: every commit checks it inside the script that writes. So a lease needs no trust in
clocks; one that runs out too early costs a take-over, never a wrong write.
"""

import secrets
from enum import Enum

from services.inference.commit.link import Link
from services.inference.commit.script import Script
from services.inference.commit.store import Holding
from shared.shards import epoch_key, lease_key, position_key

# KEYS: lease, epoch. ARGV: token, lease ms. Ours already: the reply to an earlier try was lost.
# A lease that outlasts ours by far (the server's clock was set back, or it has no limit) is
# shortened to ours, never taken. DEL of the absent key is a write that a full Redis allows (see COMMIT).
ACQUIRE = Script("""
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, redis.call('GET', KEYS[2]) or '0'}
end
if holder then
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 or left > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return {0, '0'}
end
redis.call('DEL', KEYS[1])
local epoch = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1, tostring(epoch)}
""")

# KEYS: lease, position. ARGV: token, lease ms.
_RENEW = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0, '0'} end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {1, redis.call('HGET', KEYS[2], 'sequence') or '0'}
""")

# KEYS: lease. ARGV: token.
RELEASE = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")


class Standing(Enum):
    """What a renewal found."""

    HELD = "held"
    MOVED = "moved"  # the lease is ours, but Redis is not where memory thinks: load again
    LOST = "lost"


def new_token(replica: str) -> str:
    """Names the replica for people, and is random, so that no tenure is ever taken for another."""
    return f"{replica}:{secrets.token_hex(16)}"


class Leases:
    """Acquires, renews and releases leases over a `Link`. All methods raise what redis-py raises."""

    def __init__(self, link: Link, *, lease_ms: int) -> None:
        self._link, self._lease_ms = link, lease_ms

    def acquire(self, shard: int, token: str, *, now_s: float) -> Holding | None:
        """The shard, if nobody holds it; an unexpired lease is never taken. One round trip.

        After a lost reply try again with the same token: it may have been granted.
        """
        keys = (lease_key(shard), epoch_key(shard))
        granted, epoch = ACQUIRE(self._link.client, keys, token, self._lease_ms)
        return Holding(shard, token, int(epoch), now_s) if granted else None

    def renew(self, holding: Holding, *, now_s: float) -> Standing:
        """Keep a shard that has nothing to commit; ``now_s``: the holder's clock before."""
        keys = (lease_key(holding.shard), position_key(holding.shard))
        held, sequence = _RENEW(self._link.client, keys, holding.token, self._lease_ms)
        if not held:
            return Standing.LOST
        holding.renewed_s = now_s
        if holding.position is not None and (
            int(sequence) != holding.position.sequence or holding.generation != self._link.generation
        ):
            holding.position = None
            return Standing.MOVED
        return Standing.HELD

    def release(self, shard: int, token: str) -> bool:
        """Give a shard back at once; False where it was no longer ours."""
        return bool(RELEASE(self._link.client, (lease_key(shard),), token))
