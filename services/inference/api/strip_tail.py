"""One reader of raw waveform for all who watch strips through this process.

While anybody watches, the shards of the watched patients are read once a second, each once, however many
watch; while nobody does, nothing is read. A watcher gets each patient's newest seconds first, then what is new.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from redis.exceptions import ResponseError

from services.inference.api.strip_log import MOST_ENTRIES, StripLog
from services.inference.api.trace import Piece, Strip, Trace
from services.inference.commit.store import TRANSIENT, transient

log = logging.getLogger(__name__)

EVERY_S = 1.0
FIRST_S = 10.0

T = TypeVar("T")


class Watcher:
    """One who watches some patients: what each was given last, and what waits to be given."""

    def __init__(self, names: Iterable[bytes]) -> None:
        self.given: dict[bytes, Strip | None] = dict.fromkeys(names)
        self.news = asyncio.Event()
        self.ended = False

    def collect(self, traces: dict[bytes, Trace]) -> list[tuple[bytes, Strip]]:
        """What is new of each patient since the last call. Someone slow gets more at a time, never too much."""
        self.news.clear()
        found: list[tuple[bytes, Strip]] = []
        if self.ended:
            return found
        for name, before in self.given.items():
            strip = traces[name].fresh(before, FIRST_S)
            if strip is not None:
                self.given[name] = strip
                found.append((name, strip))
        return found


class Tail:
    """Belongs to one event loop; reads in a thread of its own."""

    def __init__(self, strips: Callable[[], StripLog]) -> None:
        self._strips = strips
        self.traces: dict[bytes, Trace] = {}
        self._watchers: set[Watcher] = set()
        self._read: dict[int, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="strips")

    @property
    def shards(self) -> int:
        """How many shards are being read."""
        return len(self._read)

    async def join(self, names: Iterable[bytes]) -> Watcher:
        """Watch these patients. Raises what redis-py raises. Costs a look at the newest seconds of new ones."""
        watcher = Watcher(names)
        async with self._lock:
            while new := [name for name in watcher.given if name not in self.traces]:
                traces, read = await self._in_thread(partial(self._newest, new))
                self.traces |= traces
                for shard, last in read.items():
                    self._read.setdefault(shard, last)
            self._watchers.add(watcher)
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._follow())
        watcher.news.set()
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Watch no more."""
        self._watchers.discard(watcher)

    async def _follow(self) -> None:
        try:
            while self._watchers:
                async with self._lock:
                    self._drop_unwatched()
                    try:
                        await self._step()
                    except (*TRANSIENT, ResponseError) as error:
                        if not transient(error):
                            raise
                        log.warning("strips cannot be read (%s); trying again", type(error).__name__)
                for watcher in self._watchers:
                    watcher.news.set()
                await asyncio.sleep(EVERY_S)
        finally:
            for watcher in self._watchers:
                watcher.ended = True
                watcher.news.set()
            self._watchers.clear()
            self.traces.clear()
            self._read.clear()

    def _newest(self, names: list[bytes]) -> tuple[dict[bytes, Trace], dict[int, str]]:
        return self._strips().newest(names, FIRST_S)

    async def _step(self) -> None:
        read, names = dict(self._read), set(self.traces)
        pieces, last = await self._in_thread(lambda: _new(self._strips(), read, names))
        for name, piece in pieces:
            self.traces[name].place(piece)
        self._read |= last

    def _drop_unwatched(self) -> None:
        watched = {name for watcher in self._watchers for name in watcher.given}
        for name in self.traces.keys() - watched:
            del self.traces[name]
        needed = self._strips().by_shard(watched)
        for shard in self._read.keys() - needed.keys():
            del self._read[shard]

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _new(
    strips: StripLog, read: dict[int, str], names: set[bytes]
) -> tuple[list[tuple[bytes, Piece]], dict[int, str]]:
    """What came behind some positions, and the new positions. A shard that runs away is picked up at its end."""
    pieces: list[tuple[bytes, Piece]] = []
    last: dict[int, str] = {}
    found: dict[int, list[Any]] = strips.after(read)
    for shard, rows in found.items():
        pieces += strips.pieces(rows, names)
        last[shard] = rows[-1][0].decode()
    behind = [shard for shard, rows in found.items() if len(rows) == MOST_ENTRIES]
    return pieces, last | (strips.ends(behind) if behind else {})
