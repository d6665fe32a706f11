"""Who sends to a receiver, and how far it has come: a lease and a cursor in Redis.

One sender at a time by the lease; the cursor moves only under it. A sender that dies is replaced as its lease
ends, and its successor goes on behind the last alert that was noted as settled.
"""

import hashlib
import secrets
from typing import Any

from services.inference.api.alert_log import AlertLog
from services.inference.api.cursor import Cursor, Id
from services.inference.commit.script import Script
from services.inference.ownership.lease import ACQUIRE, RELEASE
from shared.position import parse_id
from shared.redis.connection import Client
from shared.shards import webhook_keys

_BEGUN = b"begun"

# KEYS: lease, cursor. ARGV: token, lease ms, then fields and values of the cursor.
_NOTE = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
return 1
""")


def receiver_id(url: str) -> str:
    """Names a receiver in Redis; its address may hold a secret."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


class Claim:
    """One process' claim to one receiver. All methods raise what redis-py raises; not thread-safe."""

    def __init__(self, client: Client, url: str, *, lease_ms: int) -> None:
        self._client, self._lease_ms = client, lease_ms
        self._lease, self._epoch, self._sent = webhook_keys(receiver_id(url))
        self._token = secrets.token_hex(16)

    def take(self) -> bool:
        """Take it, or keep it for another lease; False while another sender holds it."""
        granted, _ = ACQUIRE(self._client, (self._lease, self._epoch), self._token, self._lease_ms)
        return bool(granted)

    def cursor(self, log: AlertLog) -> Cursor | None:
        """Behind what was settled; for a receiver never sent to, behind what there is now. None: not ours."""
        fields: dict[bytes, bytes] = self._client.hgetall(self._sent)  # type: ignore[assignment]  # not awaitable
        if not fields:
            ends = log.ends()
            at: list[Any] = [_BEGUN, 1]
            for shard, entry in ends.at.items():
                at += [shard, f"{entry[0]}-{entry[1]}"]
            return ends if self._note(*at) else None
        stored = {int(shard): parse_id(entry.decode()) for shard, entry in fields.items() if shard != _BEGUN}
        return Cursor(log.shards, {shard: entry for shard, entry in stored.items() if shard < log.shards})

    def settled(self, shard: int, entry: Id) -> bool:
        """Note an alert as settled and keep the lease; False where it is no longer ours."""
        return self._note(shard, f"{entry[0]}-{entry[1]}")

    def release(self) -> None:
        """Let another sender have it at once."""
        RELEASE(self._client, (self._lease,), self._token)

    def _note(self, *fields: Any) -> bool:
        return bool(_NOTE(self._client, (self._lease, self._sent), self._token, self._lease_ms, *fields))
