"""A TCP wire to Redis that breaks on demand: cut, silent, slow, throttled, or deaf to replies.

It relays bytes to a local port in a thread of its own, both ways, connection by connection. As on a real network,
what a process sent before it died still arrives, and what is held up is delivered later, in order.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Self

_CHUNK = 1 << 16
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Weather:
    """How the wire is. ``cut``: connections break, none is made. ``silent``: nothing gets through, nothing breaks.

    ``delay_s``: each way. ``bytes_per_s``: of all connections together, each way. ``deaf``: the first reply after
    a request is thrown away and its connection breaks, so that the server did what the client must doubt.
    """

    cut: bool = False
    silent: bool = False
    delay_s: float = 0.0
    bytes_per_s: float | None = None
    deaf: bool = False


@dataclass(slots=True)
class _Way:
    """One direction of the whole wire: until when its capacity is used up."""

    busy_until: float = 0.0

    def reserve(self, size: int, bytes_per_s: float | None) -> float:
        """The time at which ``size`` more bytes are through."""
        now = time.monotonic()
        if bytes_per_s is None:
            self.busy_until = now
            return now
        self.busy_until = max(now, self.busy_until) + size / bytes_per_s
        return self.busy_until


# Chunks on their way, each with the time at which it came; None ends them.
_Queue = asyncio.Queue["tuple[float, bytes] | None"]


class Wire:
    """Listens on ``port`` of this machine and relays to ``target``. `change` the weather from any thread."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.weather = Weather()
        self._target = target
        self._up, self._down = _Way(), _Way()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def change(self, **weather: Any) -> None:
        """Other weather, in the named respects."""
        self.weather = replace(self.weather, **weather)
        if self.weather.cut:
            self._loop.call_soon_threadsafe(self._break)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._break()
        for task in (tasks := asyncio.all_tasks(self._loop)):
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _break(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            if self.weather.cut:
                return
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(far)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(reader, far))
                group.create_task(self._replies(far_reader, writer, far))
        except* OSError:
            pass  # either end is gone, and with it goes the other
        finally:
            for each in (writer, far):
                if each is not None:
                    self._writers.discard(each)
                    each.transport.abort()

    async def _requests(self, near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        async for came, data in _chunks(near):
            await self._hold(came, len(data), self._up)
            far.write(data)
            await far.drain()
        far.write_eof()

    async def _replies(
        self, far: asyncio.StreamReader, near: asyncio.StreamWriter, requests: asyncio.StreamWriter
    ) -> None:
        async for came, data in _chunks(far):
            if self.weather.deaf:
                break
            await self._hold(came, len(data), self._down)
            near.write(data)
            await near.drain()
        near.transport.abort()
        requests.transport.abort()

    async def _hold(self, came: float, size: int, way: _Way) -> None:
        through = way.reserve(size, self.weather.bytes_per_s)
        while True:
            weather = self.weather
            now = time.monotonic()
            ripe = max(came + weather.delay_s, through if weather.bytes_per_s is not None else now)
            if not weather.silent and now >= ripe:
                return
            await asyncio.sleep(_LOOK_S if weather.silent else min(_LOOK_S, ripe - now))


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[tuple[float, bytes]]:
    """What comes, taken at once and handed on in order, each with the time at which it came."""
    queue: _Queue = asyncio.Queue(256)

    async def take() -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await queue.put((time.monotonic(), data))
        await queue.put(None)

    taking = asyncio.create_task(take())
    try:
        while (chunk := await queue.get()) is not None:
            yield chunk
    finally:
        taking.cancel()
