"""What is still to be confirmed: frames waiting, in flight, or confirmed so lately that Redis may forget them.

Pure bookkeeping, no Redis and no threads. A batch goes ``put -> take -> confirm``; ``give_back``
undoes a ``take`` whose fate is unknown, and ``recall`` undoes the confirmations of the last seconds
when Redis came back as another process, which under ``appendfsync everysec`` may have lost them.
Sending again is harmless: the reader places samples by index.
"""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import chain


class Ticket(Future[None]):
    """Resolves when every batch of one offer is confirmed; fails with `Dropped` if one was dropped."""

    def __init__(self, due_s: float, frames: int) -> None:
        super().__init__()
        self.due_s = due_s
        self.frames = frames
        self.batches = 0

    def one_confirmed(self) -> bool:
        """One of its batches reached Redis; True if that was the last."""
        self.batches -= 1
        if self.batches or self.done():
            return False
        self.set_result(None)
        return True

    def one_dropped(self) -> None:
        """One of its batches was thrown away by policy."""
        if not self.done():
            self.set_exception(Dropped("dropped: the buffer of frames for Redis is full"))


class Dropped(Exception):
    """These frames will not reach Redis: the buffer was full and the policy says to drop the oldest."""


@dataclass(eq=False, slots=True)
class Batch:
    """Encoded frames of one offer for one shard."""

    shard: int
    data: bytes
    frames: int
    ticket: Ticket
    order: int = 0
    sent_before: bool = False


@dataclass(eq=False, slots=True)
class Entry:
    """One stream entry: batches of one shard whose bytes, one after the other, are a record batch."""

    shard: int
    batches: list[Batch]

    @property
    def size(self) -> int:
        """Bytes of the record batch."""
        return sum(len(batch.data) for batch in self.batches)

    @property
    def data(self) -> bytes:
        """The record batch."""
        return self.batches[0].data if len(self.batches) == 1 else b"".join(b.data for b in self.batches)


@dataclass(slots=True)
class Outbox:
    """Batches on their way to Redis, bounded in bytes by whoever asks `over` before it puts.

    Within a shard batches leave in the order in which they came, repeats included.
    """

    limit_bytes: int
    keep_s: float
    waiting: dict[int, deque[Batch]] = field(default_factory=dict)
    kept: deque[tuple[float, Entry]] = field(default_factory=deque)
    buffered_bytes: int = 0
    _order: int = 0

    def over(self, more_bytes: int) -> bool:
        """Whether ``more_bytes`` would not fit now. One offer larger than all fits an empty outbox."""
        return self.buffered_bytes > 0 and self.buffered_bytes + more_bytes > self.limit_bytes

    def put(self, batch: Batch) -> None:
        """Append to its shard."""
        self._order += 1
        batch.order = self._order
        batch.ticket.batches += 1
        self.waiting.setdefault(batch.shard, deque()).append(batch)
        self.buffered_bytes += len(batch.data)

    def take(self, entry_bytes: int, total_bytes: int) -> list[Entry]:
        """The next entries to send: of every shard its oldest batches, each entry within ``entry_bytes``.

        All together stay within ``total_bytes`` or are one entry. A single batch larger than
        ``entry_bytes`` must have been cut before it was put.
        """
        entries: list[Entry] = []
        total = 0
        for shard in sorted(self.waiting, key=lambda s: self.waiting[s][0].order):
            queue = self.waiting[shard]
            while queue and (total == 0 or total < total_bytes):
                entry = Entry(shard, [queue.popleft()])
                size = len(entry.batches[0].data)
                while queue and size + len(queue[0].data) <= entry_bytes:
                    size += len(queue[0].data)
                    entry.batches.append(queue.popleft())
                total += size
                entries.append(entry)
            if not queue:
                del self.waiting[shard]
            if total >= total_bytes:
                break
        return entries

    def confirm(self, entry: Entry, now: float) -> list[Ticket]:
        """Redis has the entry. Gives the tickets that this completed."""
        self.buffered_bytes -= entry.size
        complete = [b.ticket for b in entry.batches if not b.sent_before and b.ticket.one_confirmed()]
        for batch in entry.batches:
            batch.sent_before = True
        if self.keep_s > 0:
            self.kept.append((now, entry))
        self.forget(now)
        return complete

    def forget(self, now: float) -> None:
        """Let go of what was confirmed more than ``keep_s`` ago."""
        while self.kept and self.kept[0][0] < now - self.keep_s:
            self.kept.popleft()

    def give_back(self, entries: Iterable[Entry]) -> None:
        """Entries of a `take` that Redis has not confirmed go to the front of their shards again."""
        self._first_again(list(entries))

    def recall(self) -> int:
        """All that is kept is to be sent again, before all else; how many frames.

        That is what was confirmed in the ``keep_s`` before the *last* confirmation, not before now: a server that
        hung, or whose disk was full, and then died has put nothing on the disk since it last confirmed something.
        """
        entries = [entry for _, entry in self.kept]
        self.kept.clear()
        self._first_again(entries)
        self.buffered_bytes += sum(entry.size for entry in entries)
        return sum(batch.frames for entry in entries for batch in entry.batches)

    def drop_oldest(self, need_bytes: int) -> list[Batch]:
        """Throw away waiting batches, oldest first, until ``need_bytes`` more fit or nothing waits."""
        dropped: list[Batch] = []
        while self.waiting and self.over(need_bytes):
            shard = min(self.waiting, key=lambda s: self.waiting[s][0].order)
            batch = self.waiting[shard].popleft()
            if not self.waiting[shard]:
                del self.waiting[shard]
            self.buffered_bytes -= len(batch.data)
            batch.ticket.one_dropped()
            dropped.append(batch)
        return dropped

    def _first_again(self, entries: list[Entry]) -> None:
        again: dict[int, list[Batch]] = {}
        for entry in entries:
            again.setdefault(entry.shard, []).extend(entry.batches)
        for shard, batches in again.items():
            rest = self.waiting.get(shard, deque())
            self.waiting[shard] = deque(sorted(chain(batches, rest), key=lambda batch: batch.order))
