"""A real gateway on a real Redis, in a thread of the test's process, and ways to talk to it."""

import asyncio
import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvloop

from services.ingest.gateway.serve import Served, serve
from shared.frames import Frames, decode, encode, headers
from shared.redis.connection import Client, connect
from shared.redis.embedded import EmbeddedServer, embedded
from shared.settings import load
from shared.shards import BATCH_FIELD, shard_of, stream_key
from tests.waiting import until

SHARDS = 4
DEFAULTS = (f"stream.shards={SHARDS}", "redis.timeout_s=1", "ingest.upkeep_s=0.05", "gateway.port=0")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Talk:
    """What a test says to a gateway at ``port``, and what it then finds in Redis."""

    def __init__(self, port: int, redis_url: str) -> None:
        self.port = port
        self.redis_url = redis_url
        self.url = f"http://127.0.0.1:{port}"
        self.stream_url = f"ws://127.0.0.1:{port}/v1/stream"

    def ask(self, method: str, path: str, body: Any = None, **more: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in more.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def post(self, frames: Any, **more: str) -> Answer:
        """Frames as JSON: text as it is, anything else encoded."""
        body = frames if isinstance(frames, str | bytes) else json.dumps(frames)
        return self.ask("POST", "/v1/frames", body, **{"Content_Type": "application/json"} | more)

    def post_batch(self, batch: bytes, **more: str) -> Answer:
        return self.ask("POST", "/v1/batch", batch, **{"Content_Type": "application/octet-stream"} | more)

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def stored(self, patient: str) -> list[tuple[Any, np.ndarray]]:
        """(header, samples) of each frame of a patient in Redis, in order."""
        with connect(self.redis_url) as client:
            return stored(client, patient)


def stored(client: Client, patient: str) -> list[tuple[Any, np.ndarray]]:
    found = []
    for _, fields in client.xrange(stream_key(shard_of(patient.encode(), SHARDS))):
        for run in decode(fields[BATCH_FIELD]):
            rows = run.headers["patient"] == patient.encode()
            found += list(zip(run.headers[rows], run.samples[rows], strict=True))
    return found


def a_frame(patient: str = "p1", first: int = 0, **changes: Any) -> dict[str, Any]:
    """A good frame as JSON; a change to ... leaves the field out."""
    frame = {"patient": patient, "session": 7, "first": first, "rate_hz": 250, "lead": "I", "mv": [0.1, -0.2, 0.3]}
    return {name: value for name, value in (frame | changes).items() if value is not ...}


def a_batch(patients: int = 3, count: int = 50, *, first: int = 0, start_us: int = 0, prefix: str = "b") -> bytes:
    header = headers(patients)
    header["patient"] = [f"{prefix}{i}".encode() for i in range(patients)]
    header["session"] = 9
    header["session_start_us"] = start_us
    header["first"] = first
    header["rate_mhz"] = 128_000
    header["uv_per_lsb"] = 2.5
    return encode(Frames(header, np.arange(patients * count, dtype=np.int16).reshape(patients, count)))


@contextmanager
def running(redis_url: str, *overrides: str) -> Iterator[Talk]:
    """A gateway in a thread; leaving the block stops it as a signal would."""
    settings = load(environ={}, overrides=[*DEFAULTS, *overrides]).settings
    stop = asyncio.Event()
    started: list[str] = []
    ended: list[Served | BaseException] = []
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    def live() -> None:
        try:
            with runner:
                ended.append(runner.run(serve(settings, redis_url, stop=stop, started=started.append)))
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            ended.append(error)

    thread = threading.Thread(target=live)
    thread.start()
    until(lambda: started or ended, "the gateway runs")
    try:
        if started:
            yield Talk(int(started[0].rpartition(":")[2]), redis_url)
            runner.get_loop().call_soon_threadsafe(stop.set)
    finally:
        if started and not ended:
            runner.get_loop().call_soon_threadsafe(stop.set)
        thread.join(20)
    if isinstance(ended[0], BaseException):
        raise ended[0]


@pytest.fixture(scope="module")
def lasting(redis_server: EmbeddedServer) -> Iterator[Talk]:
    with connect(redis_server.url) as client:
        client.flushall()  # what other modules left, a number of shards above all
    with running(redis_server.url) as talk:
        yield talk


@pytest.fixture
def gateway(client: Client, lasting: Talk) -> Talk:
    """A gateway with default limits that lives as long as the module; Redis is emptied for each test."""
    return lasting


@pytest.fixture
def start() -> Callable[..., Any]:
    """Start a gateway with settings of the test's own: ``with start(redis_url, "gateway.port=0") as gateway``."""
    return running


@pytest.fixture
def frame() -> Callable[..., dict[str, Any]]:
    return a_frame


@pytest.fixture
def batch() -> Callable[..., bytes]:
    return a_batch


class Restartable:
    """A Redis of one test alone, which the test may kill and start again on the same port."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._folder = folder
        self.server = self._start(0)

    def _start(self, port: int) -> EmbeddedServer:
        return self._stack.enter_context(embedded(self._folder, port=port, maxmemory_mb=64))

    @property
    def url(self) -> str:
        return self.server.url

    def kill(self) -> None:
        os.kill(self.server.pid, signal.SIGKILL)
        until(lambda: not self.server.alive(), "the killed Redis is gone")

    def start_again(self) -> None:
        self.server = self._start(self.server.port)

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Restartable]:
    redis = Restartable(tmp_path / "redis")
    yield redis
    redis.close()
