"""`selfmis ingest gateway`: take frames from devices and other programs over HTTP and WebSocket."""

import asyncio
import logging
import resource
import signal
from collections.abc import Sequence

import uvloop

from services.ingest.gateway.serve import Served, serve
from shared.command import DONE, INTERRUPTED, Parser, run, settings_arguments, settings_from
from shared.redis.embedded import resolve
from shared.settings import Settings


def main(argv: Sequence[str]) -> int:
    """Take frames over HTTP and WebSocket and answer once Redis has confirmed them; Ctrl-C flushes and stops."""
    parser = Parser(prog="selfmis ingest gateway", description=main.__doc__)
    parser.add_argument(
        "--host", help="address to listen on, instead of gateway.host; not loopback: needs a token"
    )
    parser.add_argument("--port", help="port to listen on, instead of gateway.port; 0 for any free one")
    settings_arguments(parser)
    arguments = parser.parse_args(argv)
    for key in ("host", "port"):
        if getattr(arguments, key) is not None:
            arguments.set.append(f"gateway.{key}={getattr(arguments, key)}")
    settings = settings_from(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    # Broken requests of strangers are counted and answered, not written down.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    _allow_many_connections()
    with resolve(settings.redis) as url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_until_signalled(settings, url))


async def _until_signalled(settings: Settings, url: str) -> int:
    stop = asyncio.Event()
    received: list[signal.Signals] = []

    def note(number: signal.Signals) -> None:
        received.append(number)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, note, number)
    served = await serve(settings, url, stop=stop, started=_say_where)
    print(_summary(served), flush=True)
    return INTERRUPTED if received[0] == signal.SIGINT else DONE


def _say_where(url: str) -> None:
    print(f"gateway: {url} takes frames; {url}/docs explains how. Ctrl-C stops it.", flush=True)


def _summary(served: Served) -> str:
    left = (
        f"; {served.abandoned_bytes} bytes never confirmed, nor answered with 2xx"
        if served.abandoned_bytes
        else ""
    )
    return f"gateway: stopped; {served.frames} frames confirmed{left}"


def _allow_many_connections() -> None:
    """Each connection is an open file, and the usual soft limit of 1024 is for programs with few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    raise SystemExit(run(main))
