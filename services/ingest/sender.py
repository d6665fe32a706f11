"""The edge to Redis: a thread that sends what is offered, keeps what is not confirmed, and loses nothing silently.

One pipeline is in flight at a time, so each shard's entries arrive in order. What Redis
has not confirmed is sent again after a reconnect; what it confirmed in the last
``keep_s`` is sent again when it comes back under another run id. When the buffer is
full, `Sender.offer` blocks or drops the oldest and counts, as the settings say.
"""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisClusterException, RedisError, ResponseError

from services.ingest.outbox import Batch, Entry, Outbox, Ticket
from services.ingest.parcel import Parcel
from services.ingest.pressure import Limits, Readings, hold
from services.ingest.upkeep import Backlog, Upkeep, upkeep
from shared.errors import SelfmisError
from shared.redis.connection import Client, connect, explained, master_infos
from shared.settings import Settings
from shared.shards import BATCH_FIELD, stream_key

log = logging.getLogger(__name__)
_T = TypeVar("_T")

# Large enough to keep Redis busy, small enough that one reply comes well within a timeout.
PIPELINE_BYTES = 8 << 20
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.05, 2.0
SAY_AGAIN_S = 10.0


class SenderClosed(SelfmisError):
    """The sender has been closed; nothing more can be offered."""


class ServerChanged(RedisConnectionError):
    """The connection is to a server we have not met: what it confirmed as its former self may be gone."""


@dataclass(slots=True)
class Tally:
    """What the sender has done so far. Written by its thread only."""

    frames_confirmed: int = 0
    frames_sent_again: int = 0
    frames_dropped: int = 0
    entries: int = 0
    bytes: int = 0
    reconnects: int = 0
    trimmed_entries: int = 0
    redis_memory_bytes: int = 0
    held: str | None = None
    held_seconds: dict[str, float] = field(default_factory=lambda: {"lag": 0.0, "memory": 0.0})
    readings: Readings = field(default_factory=Readings)


class Sender:
    """Sends parcels to their shards' streams. Start it, offer, flush, close; all methods are thread-safe.

    ``on_confirm`` is called with each ticket whose frames Redis has and the time, ``on_upkeep`` about once
    a second with the connection; both by the sender's thread, so they must be quick.
    """

    def __init__(
        self,
        url: str,
        settings: Settings,
        *,
        shards: int,
        on_confirm: Callable[[Ticket, float], None] | None = None,
        on_upkeep: Callable[[Client], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.tally = Tally()
        self._url = url
        self._timeout_s = settings.redis.timeout_s
        self._settings = settings.ingest
        self._horizon_s = settings.stream.replay_horizon_s
        self._entry_bytes = settings.stream.max_entry_bytes
        self._shards = shards
        self._on_confirm = on_confirm
        self._on_upkeep = on_upkeep
        self._clock = clock
        self._outbox = Outbox(settings.ingest.buffer_mb << 20, settings.ingest.keep_s)
        self._changed = threading.Condition()
        self._refusing = False
        self._closing = False
        self._met: set[str] = set()
        self._started = False
        self._recall = False
        self._refused = False
        self._backlog = Backlog()
        # Intervals are on the monotonic clock: a step of the wall clock must stop neither upkeep nor sending.
        self._next_upkeep = self._held_at = time.monotonic()
        self._limits = Limits(settings.ingest.max_lag_s, settings.ingest.max_memory)
        self._trouble_since: float | None = None
        self._said = 0.0
        self._backoff_s = FIRST_BACKOFF_S
        self._client: Client | None = None
        self._dice = random.Random()
        self._thread = threading.Thread(target=self._run, name="ingest-sender", daemon=True)

    def start(self) -> None:
        """Connect (raises `shared.redis.connection.RedisUnavailable` if that fails now) and begin to send."""
        self._client = connect(self._url, timeout_s=self._timeout_s, resend=False, on_connect=self._meet)
        with explained(self._url):
            master_infos(self._client)  # each master of a cluster is met now: none of them is a restarted server
        self._started = True
        self._thread.start()

    def offer(self, parcel: Parcel, due_s: float) -> Ticket:
        """Take frames to send. Blocks while the buffer is full, or drops the oldest, as settings say."""
        ticket, batches, size = self._batches([parcel], due_s)
        with self._changed:
            while self._outbox.over(size) and not self._refusing:
                if self._settings.when_full == "drop_oldest":
                    self.tally.frames_dropped += sum(batch.frames for batch in self._outbox.drop_oldest(size))
                if self._outbox.over(size):  # by policy, or because what is in flight cannot be dropped
                    self._changed.wait()
            if self._refusing:
                raise SenderClosed("the sender is closed: no more frames are taken")
            self._put(batches)
        return ticket

    def try_offer(self, parcels: Sequence[Parcel], due_s: float) -> Ticket | None:
        """Take frames to send, all or none, without waiting or dropping: None if the buffer has no room."""
        ticket, batches, size = self._batches(parcels, due_s)
        with self._changed:
            if self._refusing:
                raise SenderClosed("the sender is closed: no more frames are taken")
            if self._outbox.over(size):
                return None
            self._put(batches)
        return ticket

    @property
    def met(self) -> frozenset[str]:
        """The run ids of all servers that were ever at the other end."""
        return frozenset(self._met)

    @property
    def obstacle(self) -> str | None:
        """Why frames would not leave now: ``closed``, ``redis`` (it fails), ``lag``, ``memory``; or None."""
        if self._refusing:
            return "closed"
        return "redis" if self._trouble_since is not None else self.tally.held

    @property
    def buffered_bytes(self) -> int:
        """Bytes offered and not yet confirmed."""
        return self._outbox.buffered_bytes

    def refuse(self) -> None:
        """Take nothing more; what was offered is still sent. Offers that wait for room raise `SenderClosed`."""
        with self._changed:
            self._refusing = True
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was offered is confirmed; False if it was not in time."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._outbox.buffered_bytes or self._recall:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def close(self) -> None:
        """Stop sending; what is still unconfirmed is abandoned (flush first). Blocked offers raise."""
        with self._changed:
            self._refusing = self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        if self._client is not None:
            self._client.close()

    def _batches(self, parcels: Sequence[Parcel], due_s: float) -> tuple[Ticket, list[Batch], int]:
        """Encoded, under one ticket, and their bytes."""
        ticket = Ticket(due_s, sum(map(len, parcels)))
        batches = [
            Batch(shard, data, frames, ticket)
            for parcel in parcels
            for shard, data, frames in parcel.encoded(self._entry_bytes)
        ]
        return ticket, batches, sum(len(batch.data) for batch in batches)

    def _put(self, batches: list[Batch]) -> None:
        """With the lock held."""
        for batch in batches:
            self._outbox.put(batch)
        self._changed.notify_all()

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    self._wait_for_work()
                    if self._closing:
                        return
                    self._recall_if_changed()
                    entries = [] if self.tally.held else self._outbox.take(self._entry_bytes, PIPELINE_BYTES)
                if entries:
                    self._send(entries)
                if time.monotonic() >= self._next_upkeep:
                    self._tend()
        finally:
            # Also when a fault of ours ends the thread: whoever waits in offer or flush must not wait forever.
            with self._changed:
                self._refusing = self._closing = True
                self._changed.notify_all()

    def _wait_for_work(self) -> None:
        """With the lock held: until there is something to send and leave to send it, upkeep is due, or the end."""
        while not self._closing:
            left = self._next_upkeep - time.monotonic()
            if left <= 0 or ((self._outbox.waiting or self._recall) and self.tally.held is None):
                return
            self._changed.wait(left)

    def _send(self, entries: list[Entry]) -> None:
        replies = self._try(lambda client: _add(client, entries))
        refusals = [reply for reply in replies or () if isinstance(reply, Exception)]
        with self._changed:
            if replies is None:
                self._outbox.give_back(entries)
            else:
                self._settle(entries, replies)
            self._changed.notify_all()
        if refusals:
            if any(isinstance(error, OutOfMemoryError) for error in refusals):
                self._refused = True
                self._next_upkeep = time.monotonic()
            self._trouble(f"refuses {len(refusals)} of {len(entries)} entries ({refusals[0]})")
        elif replies is not None:
            self._well()

    def _settle(self, entries: list[Entry], replies: list[Any]) -> None:
        refused = []
        now = self._clock()
        for entry, reply in zip(entries, replies, strict=True):
            if isinstance(reply, Exception):
                refused.append(entry)
                continue
            self._backlog.sent(entry.shard, reply.decode())
            self.tally.entries += 1
            self.tally.bytes += entry.size
            self.tally.frames_confirmed += sum(batch.frames for batch in entry.batches if not batch.sent_before)
            for ticket in self._outbox.confirm(entry, time.monotonic()):
                if self._on_confirm is not None:
                    self._on_confirm(ticket, now)
        self._outbox.give_back(refused)

    def _meet(self, run_id: str) -> None:
        """Called for every new connection, before it carries anything."""
        if run_id in self._met:
            return
        self._met.add(run_id)
        if self._started:
            self._recall = True
            raise ServerChanged("Redis was started anew")

    def _recall_if_changed(self) -> None:
        if not self._recall:
            return
        self._recall = False
        frames = self._outbox.recall()
        self.tally.frames_sent_again += frames
        log.warning("Redis is another process than before; sending the last %d confirmed frames again", frames)

    def _tend(self) -> None:
        done = self._try(self._upkeep)
        # Only now: on a full Redis this write is refused, and the trimming that makes room must not wait for it.
        away = done is None and self._trouble_since is not None
        told = self._on_upkeep is None or (not away and self._try(self._tell) is not None)
        now = time.monotonic()
        self._next_upkeep = now + self._settings.upkeep_s * self._dice.uniform(0.8, 1.2)
        if done is None:
            return
        tally = self.tally
        if told and not (
            self._outbox.waiting and tally.held is None
        ):  # else the next send says whether all is well
            self._well()
        before = tally.held
        tally.held = hold(before, replace(done.readings, refused=self._refused), self._limits)
        self._refused = False
        tally.readings = done.readings
        tally.trimmed_entries += done.trimmed_entries
        tally.redis_memory_bytes = done.used_memory
        if before is not None:
            tally.held_seconds[before] += now - self._held_at
        self._held_at = now
        if tally.held != before:
            what = f"holding back because of {tally.held}" if tally.held else "sending again"
            log.warning("%s: %s", what, done.readings)

    def _upkeep(self, client: Client) -> Upkeep | None:
        try:
            return upkeep(client, self._shards, self._backlog, self._horizon_s)
        except SelfmisError as error:
            log.error("nothing can be trimmed: %s", error)
            return None

    def _tell(self, client: Client) -> bool:
        assert self._on_upkeep is not None  # noqa: S101 - the caller looked
        self._on_upkeep(client)
        return True

    def _try(self, work: Callable[[Client], _T]) -> _T | None:
        """Do something with Redis once; None if it failed. The client makes a new connection by itself."""
        assert self._client is not None  # noqa: S101 - `start` made it before the thread
        try:
            return work(self._client)
        except ServerChanged:
            self.tally.reconnects += 1
        except (RedisError, RedisClusterException, OSError) as error:
            what = "refuses a command" if isinstance(error, ResponseError) else "does not answer"
            self._trouble(f"{what} ({' '.join(str(error).split())})")
        return None

    def _trouble(self, what: str) -> None:
        """Say so, not too often, and wait a little longer each time; `close` ends the wait."""
        now = time.monotonic()
        if self._trouble_since is None:
            self._trouble_since, self._said = now, -math.inf
        if now - self._said >= SAY_AGAIN_S:
            self._said = now
            waiting = self._outbox.buffered_bytes
            log.warning("Redis %s; %.1f MB of frames wait, trying again", what, waiting / 1e6)
        with self._changed:
            self._changed.wait_for(lambda: self._closing, self._backoff_s * self._dice.uniform(0.5, 1.0))
        self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)

    def _well(self) -> None:
        if self._trouble_since is not None:
            log.warning("Redis is well again after %.1f s", time.monotonic() - self._trouble_since)
        self._trouble_since = None
        self._backoff_s = FIRST_BACKOFF_S


def _add(client: Client, entries: list[Entry]) -> list[Any]:
    pipe = client.pipeline(transaction=False)
    for entry in entries:
        pipe.execute_command("XADD", stream_key(entry.shard), "*", BATCH_FIELD, entry.data)
    replies: list[Any] = pipe.execute(raise_on_error=False)
    return replies
