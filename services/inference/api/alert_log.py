"""The committed alerts of all shards as one log: newest first, or onward from a cursor. Redis' edge.

Shards are read a few entries at a time and merged by id, so that a page costs what it shows, not what there is.
"""

import heapq
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from redis import RedisCluster

from services.inference.api.cursor import Cursor, Id
from services.inference.commit.script import Script
from shared.redis.connection import Client
from shared.shards import ALERT_BODY, ALERT_ID, alerts_key, shard_of

# KEYS: a shard's alerts. ARGV: the name of the field with their ids, an id.
# From the newest on; gives the entry, or nothing. Sending a shard's alerts to look at them here would take 4 MB.
_FIND = Script("""
local from = '+'
while true do
  local rows = redis.call('XREVRANGE', KEYS[1], from, '-', 'COUNT', 100)
  for _, row in ipairs(rows) do
    for i = 1, #row[2], 2 do
      if row[2][i] == ARGV[1] and row[2][i + 1] == ARGV[2] then return row end
    end
  end
  if #rows < 100 then return false end
  from = '(' .. rows[#rows][1]
end
""")


@dataclass(frozen=True, slots=True)
class Logged:
    """One alert where it lies."""

    shard: int
    id: Id
    body: bytes

    def view(self) -> bytes:
        """The committed body, and when and where it was committed, as JSON."""
        return self.body[:-1] + b',"committed_ms":%d,"shard":%d}' % (self.id[0], self.shard)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts; an empty word is any. ``before_us``: committed earlier than that."""

    patient: str = ""
    kind: str = ""
    priority: str = ""
    transition: str = ""
    before_us: int | None = None
    _words: tuple[bytes, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        words = tuple(f'"{key}":{_quoted(value)}'.encode() for key, value in self._fields() if value)
        object.__setattr__(self, "_words", words)

    def _fields(self) -> tuple[tuple[str, str], ...]:
        return (
            ("patient", self.patient),
            ("kind", self.kind),
            ("priority", self.priority),
            ("transition", self.transition),
        )

    def takes(self, logged: Logged) -> bool:
        """Whether this alert is wanted. Most that are not are told by their bytes alone."""
        if not all(word in logged.body for word in self._words):
            return False
        if not self._words:
            return True
        body = json.loads(logged.body)
        return all(not value or body.get(key) == value for key, value in self._fields())


class AlertLog:
    """Reads alerts; remembers nothing. Threads may share it. Raises what redis-py raises."""

    def __init__(self, client: Client, shards: int) -> None:
        self._client = client
        self.shards = shards

    @property
    def polls(self) -> bool:
        """Whether `wait` cannot wait, because no node of a cluster knows all streams."""
        return isinstance(self._client, RedisCluster)

    def ends(self) -> Cursor:
        """Behind the newest alert of every shard."""
        pipe = self._client.pipeline(transaction=False)
        for shard in range(self.shards):
            pipe.xrevrange(alerts_key(shard), count=1)
        found = enumerate(pipe.execute())
        return Cursor(self.shards, {shard: _id(rows[0][0]) for shard, rows in found if rows})

    def newest(self, wanted: Wanted, limit: int) -> list[Logged]:
        """The newest alerts, newest first."""
        before = None if wanted.before_us is None else -(-wanted.before_us // 1000)
        if before == 0:
            return []

        def page(shard: int, last: Id | None, count: int) -> tuple[str, dict[str, Any]]:
            upper = f"({last[0]}-{last[1]}" if last else "+" if before is None else f"({before}-0"
            return alerts_key(shard), {"max": upper, "min": "-", "count": count}

        shards = [shard_of(wanted.patient.encode(), self.shards)] if wanted.patient else range(self.shards)
        rows = self._merged(shards, page, "xrevrange", limit)
        return list(islice((row for row in rows if wanted.takes(row)), limit))

    def onward(
        self, since: Cursor, limit: int, wanted: Wanted | None = None, until: Cursor | None = None
    ) -> tuple[list[Logged], Cursor]:
        """The first alerts behind a cursor, oldest first, and the cursor behind the last of them.

        ``until``: no further than that cursor.
        """
        wanted = wanted or Wanted()

        def page(shard: int, last: Id | None, count: int) -> tuple[str, dict[str, Any]]:
            after = last or since.of(shard)
            upper = "+" if until is None else f"{until.of(shard)[0]}-{until.of(shard)[1]}"
            return alerts_key(shard), {"min": f"({after[0]}-{after[1]}", "max": upper, "count": count}

        behind: Sequence[int] = range(self.shards)
        if wanted.patient:
            behind = [shard_of(wanted.patient.encode(), self.shards)]
        if until is not None:
            behind = [s for s in behind if until.of(s) > since.of(s)]
        found: list[Logged] = []
        at = dict(since.at)
        for row in self._merged(behind, page, "xrange", limit):
            if len(found) == limit:
                break
            at[row.shard] = row.id
            if wanted.takes(row):
                found.append(row)
        return found, Cursor(self.shards, at, since.floor)

    def wait(self, position: Cursor, block_ms: int) -> list[Logged]:
        """What comes after a position, in order, at once or within ``block_ms``; of each shard some hundred."""
        if self.polls:
            return self.onward(position, 1000)[0]
        streams: dict[Any, Any] = {
            alerts_key(s): f"{position.of(s)[0]}-{position.of(s)[1]}" for s in range(self.shards)
        }
        answer: Any = self._client.xread(streams, count=100, block=block_ms)
        shard_by_key = {alerts_key(s).encode(): s for s in range(self.shards)} if answer else {}
        found = [_logged(shard_by_key[key], row) for key, rows in answer or () for row in rows]
        return sorted(found, key=lambda row: (row.id, row.shard))

    def find(self, alert: str) -> Logged | None:
        """The alert of this id. Costs a walk through all that is kept, in the server: 1 ms a shard."""
        calls = [((alerts_key(s),), (ALERT_ID, alert)) for s in range(self.shards)]
        for shard, reply in enumerate(_FIND.many(self._client, calls)):
            if isinstance(reply, Exception):
                raise reply
            if reply:
                entry, flat = reply
                return _logged(shard, (entry, dict(zip(flat[::2], flat[1::2], strict=True))))
        return None

    def _merged(
        self,
        shards: Sequence[int],
        page: Callable[[int, Id | None, int], tuple[str, dict[str, Any]]],
        command: str,
        limit: int,
    ) -> Iterator[Logged]:
        """All shards' alerts in one order. Pages grow as they are used up, so that a long walk takes few trips."""
        descending = command == "xrevrange"
        count = max(4, min(200, 2 * limit // max(1, len(shards))))
        waiting: dict[int, deque[Logged]] = {}
        last: dict[int, Id | None] = dict.fromkeys(shards)
        heap: list[tuple[Id, int]] = []

        def key(row: Logged) -> tuple[Id, int]:
            return ((-row.id[0], -row.id[1]) if descending else row.id, row.shard)

        def fill(dry: Sequence[int]) -> None:
            pipe = self._client.pipeline(transaction=False)
            for shard in dry:
                name, arguments = page(shard, last[shard], count)
                getattr(pipe, command)(name, **arguments)
            for shard, rows in zip(dry, pipe.execute(), strict=True):
                if rows:
                    waiting[shard] = deque(_logged(shard, row) for row in rows)
                    last[shard] = waiting[shard][-1].id
                    heapq.heappush(heap, key(waiting[shard][0]))

        if shards:
            fill(shards)
        while heap:
            _, shard = heapq.heappop(heap)
            queue = waiting[shard]
            yield queue.popleft()
            if queue:
                heapq.heappush(heap, key(queue[0]))
            else:
                count = min(500, 2 * count)
                fill([shard])


def _logged(shard: int, row: Any) -> Logged:
    return Logged(shard, _id(row[0]), row[1][ALERT_BODY])


def _id(entry: bytes) -> Id:
    milliseconds, _, sequence = entry.partition(b"-")
    return int(milliseconds), int(sequence)


def _quoted(value: str) -> str:
    """A string as the committed bodies write it."""
    return json.dumps(value, ensure_ascii=False)
