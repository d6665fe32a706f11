"""A gateway's life: connect, listen, serve until told to stop, finish what is under way, flush, close."""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass

import uvicorn
from prometheus_client import CollectorRegistry

from services.ingest.gateway.access import listener
from services.ingest.gateway.intake import Intake
from services.ingest.gateway.protocol import BoundedHttp, SteadyWebSocket
from services.ingest.gateway.rate import Allowance
from services.ingest.gateway.routes import Gateway, create_app
from services.ingest.gateway.starts import SessionStarts
from services.ingest.metrics import LatenessHistogram, SenderCollector
from services.ingest.sender import Sender
from shared.errors import SelfmisError
from shared.pinning import pin
from shared.redis.connection import connect, connect_async
from shared.settings import Settings

KEEP_ALIVE_S = 30
PING_S = 20.0


@dataclass(frozen=True, slots=True)
class Served:
    """What a gateway has done in its life."""

    frames: int
    abandoned_bytes: int


class QuietServer(uvicorn.Server):
    """uvicorn's server without its handling of signals, which belongs to the command."""

    def capture_signals(self) -> "nullcontext[None]":  # type: ignore[override]  # uvicorn's is a generator
        """Capture none."""
        return nullcontext()


async def serve(
    settings: Settings, redis_url: str, *, stop: asyncio.Event, started: Callable[[str], None]
) -> Served:
    """Run a gateway until ``stop`` is set; ``started`` is told its URL once it takes requests.

    Raises `SelfmisError`, one line, if the address, the token or Redis is not as it must be.
    """
    with listener(
        settings.gateway.host, settings.gateway.port, has_token=settings.gateway.token is not None
    ) as listening:
        return await _serve(settings, redis_url, listening, stop, started)


async def _serve(
    settings: Settings,
    redis_url: str,
    listening: socket.socket,
    stop: asyncio.Event,
    started: Callable[[str], None],
) -> Served:
    with connect(redis_url, timeout_s=settings.redis.timeout_s) as client:
        shards = pin(client, settings.stream.shards).shards
    registry = CollectorRegistry()
    sender = Sender(redis_url, settings, shards=shards, on_confirm=LatenessHistogram(registry).note)
    allowance = Allowance(settings.gateway.max_samples_per_s)
    registry.register(SenderCollector(sender, lambda: allowance.patients))
    client_async = await connect_async(redis_url, timeout_s=settings.redis.timeout_s)
    try:
        with closing(sender):
            sender.start()
            starts = SessionStarts(
                client_async,
                shards=shards,
                memory_s=settings.gateway.session_memory_s,
                generation=lambda: sender.tally.reconnects,
            )
            intake = Intake(sender, starts, allowance, settings.gateway, shards=shards)
            gateway = Gateway(intake, settings.gateway, registry)
            await _listen(gateway, listening, stop, started)
            await asyncio.to_thread(sender.flush, settings.gateway.confirm_timeout_s)
            return Served(sender.tally.frames_confirmed, sender.buffered_bytes)
    finally:
        await client_async.aclose()


async def _listen(
    gateway: Gateway, listening: socket.socket, stop: asyncio.Event, started: Callable[[str], None]
) -> None:
    server = QuietServer(_config(gateway))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    if serving.done():  # it failed, and its task says why
        await serving
    started(_url(listening))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for listener_ in server.servers:
        listener_.close()
    # Streams answer what they have taken and say why they end; uvicorn would cut them off.
    gateway.stopping.set()
    patience = time.monotonic() + gateway.settings.confirm_timeout_s + 1
    while gateway.streams and time.monotonic() < patience:
        await asyncio.sleep(0.02)
    server.should_exit = True
    await serving
    if not stop.is_set():
        raise SelfmisError("gateway: the server ended by itself; its log says why")


def _config(gateway: Gateway) -> uvicorn.Config:
    settings = gateway.settings

    class Bounded(BoundedHttp):
        header_timeout_s = settings.body_timeout_s

    class Steady(SteadyWebSocket):
        handshake_timeout_s = settings.body_timeout_s

    return uvicorn.Config(
        create_app(gateway),
        http=Bounded,
        ws=Steady,
        ws_max_size=settings.max_body_bytes,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,  # samples hardly shrink, and what unpacks can be a bomb
        lifespan="off",
        log_config=None,
        access_log=False,  # nothing about patients in logs; /metrics counts requests
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.confirm_timeout_s) + 1,
    )


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
