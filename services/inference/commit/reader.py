"""What an owner reads: the record batches and the commands of its shards, in order, from an offset.

Plain ``XREAD``, no consumer groups: those hand a shard's entries out in no patient's order.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis import RedisCluster

from services.inference.commit.ids import before
from shared.position import ShardPosition, parse_id
from shared.redis.connection import Client
from shared.shards import BATCH_FIELD, commands_key, stream_key

# A cluster cannot wait for streams of several nodes at once, so there it is asked this often.
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a shard's stream. ``data``: the record batch, None where the entry has none.

    ``counted``: whether facts about the entry itself (frames, rejects, dead letters) count. They
    do not where it was read before and is read again for a window that is still open.
    """

    id: str
    data: bytes | None
    counted: bool


@dataclass(frozen=True, slots=True)
class Command:
    """One thing a person asked of the shard's owner, as the API appended it."""

    id: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one read gave of one shard, each list in order."""

    shard: int
    entries: tuple[Entry, ...]
    commands: tuple[Command, ...]


class ShardReader:
    """Follows any number of shards. Its client should be one that asks again (reading twice is harmless).

    ``most``: entries of one shard in one read. ``budget_bytes``: about how much one read may bring
    in all, so that a backlog of large entries is taken in portions.
    """

    def __init__(
        self,
        client: Client,
        *,
        most: int = 200,
        budget_bytes: int = 64 << 20,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._appetite = Appetite(most, budget_bytes)
        self._sleep = sleep
        self._entries: dict[int, str] = {}
        self._commands: dict[int, str] = {}
        self._committed: dict[int, tuple[int, int]] = {}
        self._more: frozenset[int] = frozenset()

    @property
    def shards(self) -> tuple[int, ...]:
        """The shards that are followed."""
        return tuple(self._entries)

    def follow(self, shard: int, position: ShardPosition) -> None:
        """Read this shard from ``position.rewind`` on and commands after ``position.command``; goes back, too."""
        self._entries[shard] = before(position.rewind)
        self._commands[shard] = position.command
        self._committed[shard] = parse_id(position.offset)

    def forget(self, shard: int) -> None:
        """Read it no more; an unknown one is ignored."""
        for cursors in (self._entries, self._commands, self._committed):
            cursors.pop(shard, None)

    def at_end(self, shard: int) -> bool:
        """Whether the last read brought all that had come of this shard when it was sent."""
        return shard in self._entries and shard not in self._more

    def read(self, block_ms: int, most: int | None = None) -> list[Pulled]:
        """What is there, of every shard that has something; waits up to ``block_ms`` for the first, 0 for none.

        ``block_ms`` must be well below the client's time limit. ``most`` entries of one shard this time, where
        that is fewer than usual. Raises what redis-py raises; then no cursor has moved.
        """
        if not self._entries:
            self._sleep(block_ms / 1000)
            return []
        count = self._appetite.count(len(self._entries))
        count = count if most is None else min(count, most)
        cluster = isinstance(self._client, RedisCluster)
        answer = self._polled(block_ms, count) if cluster else self._awaited(block_ms, count)
        self._more = frozenset(shard for shard in self._entries if len(answer.get(stream_key(shard), ())) >= count)
        if not answer:
            return []
        self._appetite.fed([fields for rows in answer.values() for _, fields in rows])
        pulled = []
        for shard in self._entries:
            entries, commands = answer.get(stream_key(shard), ()), answer.get(commands_key(shard), ())
            if entries:
                self._entries[shard] = entries[-1][0].decode()
            if commands:
                self._commands[shard] = commands[-1][0].decode()
            if entries or commands:
                pulled.append(self._pulled(shard, entries, commands))
        return pulled

    def _pulled(self, shard: int, entries: Any, commands: Any) -> Pulled:
        committed = self._committed[shard]
        return Pulled(
            shard,
            tuple(
                Entry(text, fields.get(BATCH_FIELD), parse_id(text) > committed)
                for text, fields in ((entry_id.decode(), fields) for entry_id, fields in entries)
            ),
            tuple(
                Command(
                    entry_id.decode(),
                    {
                        name.decode(errors="replace"): value.decode(errors="replace")
                        for name, value in fields.items()
                    },
                )
                for entry_id, fields in commands
            ),
        )

    def _cursors(self) -> dict[Any, Any]:
        streams = {stream_key(shard): cursor for shard, cursor in self._entries.items()}
        return streams | {commands_key(shard): cursor for shard, cursor in self._commands.items()}

    def _awaited(self, block_ms: int, count: int) -> dict[str, Any]:
        answer: Any = self._client.xread(self._cursors(), count=count, block=block_ms or None)
        return {name.decode(): rows for name, rows in answer or []}

    def _polled(self, block_ms: int, count: int) -> dict[str, Any]:
        waited = 0.0
        while True:
            pipe = self._client.pipeline(transaction=False)
            for name, cursor in self._cursors().items():
                pipe.xread({name: cursor}, count=count)
            answer = {name.decode(): rows for reply in pipe.execute() for name, rows in reply or []}
            if answer or waited >= block_ms / 1000:
                return answer
            self._sleep(_POLL_S)
            waited += _POLL_S


class Appetite:
    """How many entries to ask of each shard, so that one read stays within a budget of bytes.

    Starts with one entry, learns from what comes, and forgets large entries by halves.
    """

    def __init__(self, most: int, budget_bytes: int) -> None:
        self._most, self._budget = most, budget_bytes
        self._size = float(budget_bytes)

    def count(self, shards: int) -> int:
        """At least one, at most ``most``."""
        return max(1, min(self._most, int(self._budget / (self._size * max(1, shards)))))

    def fed(self, entries: list[dict[bytes, bytes]]) -> None:
        """Learn from the entries that one read gave."""
        if entries:
            mean = sum(len(value) for fields in entries for value in fields.values()) / len(entries)
            self._size = max(1.0, mean, self._size / 2)
