"""One reader of new alerts for all who listen to this process.

However many listen, each shard is read once. A listener gets everything behind the moment it joined, in the
order of the log; what lies between its own cursor and that moment it reads itself. Whoever listens too slowly is
dropped: it comes back with its cursor and loses nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from redis.exceptions import ResponseError

from services.inference.api.alert_log import AlertLog, Logged
from services.inference.api.cursor import Cursor
from services.inference.commit.store import TRANSIENT, transient

log = logging.getLogger(__name__)

BLOCK_MS = 1000
MOST_WAITING = 1000
_CLUSTER_POLL_S = 0.2
_LONGEST_PAUSE_S = 2.0

T = TypeVar("T")
# An alert and the cursor behind it; None: no more will come, the listener was too slow.
Told = tuple[Logged, str] | None


class Listener:
    """One who listens. ``since``: the position behind which everything comes."""

    def __init__(self, since: Cursor) -> None:
        self.since = since
        self.queue: asyncio.Queue[Told] = asyncio.Queue(MOST_WAITING + 1)

    def tell(self, told: tuple[Logged, str]) -> bool:
        """Hand over; False when it cannot keep up."""
        if self.queue.qsize() >= MOST_WAITING:
            self.end()
            return False
        self.queue.put_nowait(told)
        return True

    def end(self) -> None:
        """No more will come."""
        self.queue.put_nowait(None)


class Follower:
    """Reads while anybody listens, and not otherwise. Belongs to one event loop; reads in a thread of its own."""

    def __init__(self, alerts: Callable[[], AlertLog]) -> None:
        self._alerts = alerts
        self._listeners: set[Listener] = set()
        self._position: Cursor | None = None
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="alerts")

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    async def join(self) -> Listener:
        """Listen from now on. Raises what redis-py raises."""
        async with self._starting:
            if self._task is None or self._task.done() or self._position is None:
                self._position = await self._in_thread(lambda: self._alerts().ends())
                self._task = asyncio.create_task(self._follow())
            listener = Listener(self._position)
            self._listeners.add(listener)
            return listener

    def leave(self, listener: Listener) -> None:
        """Listen no more; once nobody does, reading ends with the read under way."""
        self._listeners.discard(listener)

    async def _follow(self) -> None:
        try:
            await self._read_on()
        finally:  # whatever ended it: nobody waits for what will not come
            for listener in self._listeners:
                listener.end()
            self._listeners.clear()

    async def _read_on(self) -> None:
        pause_s = 0.05
        while self._listeners:
            position = self._position
            assert position is not None  # noqa: S101 - set before the task was made, for the type checker
            try:
                rows = await self._in_thread(partial(self._wait, position))
                pause_s = 0.05
            except (*TRANSIENT, ResponseError) as error:
                if not transient(error):
                    raise
                log.warning("alerts cannot be read (%s); trying again", type(error).__name__)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            for row in rows:
                self._position = position = position.moved(row.shard, row.id)
                text = position.text()
                slow = [listener for listener in self._listeners if not listener.tell((row, text))]
                self._listeners.difference_update(slow)
            if not rows and self._alerts().polls:
                await asyncio.sleep(_CLUSTER_POLL_S)

    def _wait(self, position: Cursor) -> list[Logged]:
        return self._alerts().wait(position, BLOCK_MS)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
