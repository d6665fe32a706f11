"""`selfmis redis`: the embedded Redis server in the foreground, and a look at the one that runs."""

import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

from shared.command import ANSWER_IS_NO, DONE, Parser, run, settings_arguments, settings_from
from shared.errors import SelfmisError
from shared.redis.connection import connect, server_info
from shared.redis.embedded import LOG, EmbeddedRedisError, EmbeddedServer, embedded, running, stop
from shared.redis.log import last_line
from shared.sections import RedisSettings


def main(argv: Sequence[str]) -> int:
    """Run the embedded Redis server until Ctrl-C and print its URL; or look at, or stop, the one that runs."""
    parser = Parser(prog="selfmis redis", description=main.__doc__)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--status", action="store_true", help="say whether one serves the data folder; 1 if not")
    action.add_argument("--stop", action="store_true", help="stop the one that serves the data folder")
    settings_arguments(parser)
    arguments = parser.parse_args(argv)
    settings = settings_from(arguments).redis
    if settings.url is not None:
        raise SelfmisError("redis: redis.url is set, so no embedded server is used; unset it to run one")
    server = running(settings.data_dir, also=settings.port)
    if arguments.status:
        return _status(server, settings)
    if arguments.stop:
        return _stop(server, settings)
    if server is not None:
        raise SelfmisError(f"redis: already running at {server.url}, pid {server.pid} (selfmis redis --stop)")
    return _serve(settings)


def _status(server: EmbeddedServer | None, settings: RedisSettings) -> int:
    if server is None:
        print(f"no Redis serves {settings.data_dir}")
        return ANSWER_IS_NO
    with connect(server.url, timeout_s=settings.timeout_s) as client:
        info = server_info(client)
    memory = f"{info.used_memory / 2**20:.1f} of {info.maxmemory / 2**20:.0f} MiB"
    print(f"{info.name} at {server.url}, pid {server.pid}, {memory}, data in {server.data_dir}")
    return DONE


def _stop(server: EmbeddedServer | None, settings: RedisSettings) -> int:
    if server is None:
        print(f"no Redis serves {settings.data_dir}")
        return DONE
    stop(server)
    print(f"stopped the Redis that served {server.data_dir}")
    return DONE


def _serve(settings: RedisSettings) -> int:
    # A service manager's stop is a Ctrl-C too; as process 1 of a container we would else not even notice it.
    signal.signal(signal.SIGTERM, _interrupt)
    with (
        suppress(KeyboardInterrupt),
        embedded(settings.data_dir, port=settings.port, maxmemory_mb=settings.maxmemory_mb) as server,
    ):
        print(f"{server.url} (data in {server.data_dir}; Ctrl-C stops it)", flush=True)
        while server.alive():
            time.sleep(0.2)
        log = server.data_dir / LOG
        said = last_line(log)
        # Somebody asked it to end (--stop, SHUTDOWN): that is no failure.
        if "bye bye" not in said:
            raise EmbeddedRedisError(f"redis-server ended by itself; it last said {said!r} ({log})")
    return DONE


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(run(main))
