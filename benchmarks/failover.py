"""`selfmis bench failover`: what a Redis master confirmed and its replica, once promoted, does not have.

A real master, a replica and three Sentinels; a writer appends entries to a stream and notes which were confirmed.
Then the master is killed, or cut off: replica and Sentinels reach it through a relay that falls silent, the writer
reaches it still. That is the loss window of asynchronous replication: what is confirmed until somebody tells the
old master. Each is done under three guards: none, `min-replicas-to-write`, and a `WAIT` after every entry.
"""

import itertools
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from benchmarks.faults.service import Service
from benchmarks.faults.wire import Wire
from benchmarks.report import json_argument, present
from shared.command import ANSWER_IS_NO, DONE, Parser, run
from shared.errors import SelfmisError
from shared.ports import HOST, free_port
from shared.redis.connection import RedisUnavailable, connect
from shared.redis.embedded import find_executable
from shared.redis.local import local_client

EVENTS = ("killed", "cut off")
GUARDS = ("none", "min-replicas", "wait")
# In whole seconds, and replicas report once a second: 1 would refuse now and then on a busy machine.
MAX_LAG_S = 2
BEFORE_S, AFTER_S = 2.0, 1.0
_STREAM, _NAME = "bench", "ward"
_EVERY_S = 0.002
_TIMEOUT_S = 1.0
_PATIENCE_S = 120.0


class FailoverError(SelfmisError):
    """The servers did not come up, or no replica was promoted."""


@dataclass(frozen=True, slots=True)
class Found:
    """One fail-over. ``window_s``: from the first confirmed entry that is missing to the last one's confirmation.

    ``away_s``: from the event until a client that asks the Sentinels can write again.
    """

    confirmed: int
    missing: int
    window_s: float
    away_s: float


def main(argv: Sequence[str]) -> int:
    """Fail over from a master that is killed, and from one that is cut off; count confirmed entries lost."""
    parser = Parser(prog="selfmis bench failover", description=main.__doc__)
    parser.add_argument(
        "--down-after",
        type=float,
        default=2.0,
        metavar="S",
        help="silence that Sentinels take for death (default 2)",
    )
    parser.add_argument("--event", choices=EVENTS, help="only this one")
    parser.add_argument("--guard", choices=GUARDS, help="only this one")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    if arguments.down_after < 1:
        raise SelfmisError("bench failover: --down-after must be at least 1")
    events = [arguments.event] if arguments.event else EVENTS
    guards = [arguments.guard] if arguments.guard else GUARDS
    figures: dict[str, object] = {"down_after_s": arguments.down_after}
    held = True
    for event, guard in itertools.product(events, guards):
        with tempfile.TemporaryDirectory(prefix="selfmis-failover-") as folder, ExitStack() as stack:
            found = measured(Servers(Path(folder), stack, guard, arguments.down_after), event, guard)
        print(
            f"  {event}, guard {guard}: {found.missing} of {found.confirmed} confirmed entries missing", flush=True
        )
        held = held and not (guard == "wait" and found.missing)
        name = f"{event} {guard}".replace(" ", "_").replace("-", "_")
        figures[f"{name}_confirmed"] = found.confirmed
        figures[f"{name}_missing"] = found.missing
        figures[f"{name}_window_s"] = round(found.window_s, 2)
        figures[f"{name}_away_s"] = round(found.away_s, 2)
    present("fail-over: confirmed entries that the new master does not have", figures, arguments.json)
    return DONE if held else ANSWER_IS_NO


class Servers:
    """Master, replica and Sentinels, which reach the master through ``wire`` only."""

    def __init__(self, folder: Path, stack: ExitStack, guard: str, down_after_s: float) -> None:
        self._folder, self._stack = folder, stack
        options = ["--min-replicas-max-lag", str(MAX_LAG_S)]
        options += ["--min-replicas-to-write", "1" if guard == "min-replicas" else "0"]
        self.master = self._server("master", *options)
        self.wire = stack.enter_context(Wire(self.master))
        self.replica = self._server("replica", "--replicaof", HOST, str(self.wire.port))
        self.sentinels = [self._sentinel(number, down_after_s) for number in range(3)]
        self.url = f"redis+sentinel://{','.join(f'{HOST}:{port}' for port in self.sentinels)}/{_NAME}"
        until(self._whole, "the Sentinels know each other and the replica")

    def kill_master(self) -> None:
        """As when its machine loses power."""
        pid = self._master_service.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def promoted(self) -> bool:
        """Whether the replica is master."""
        with local_client(self.replica, timeout_s=_TIMEOUT_S) as client:
            return bool(client.info("replication")["role"] == "master")

    def _server(self, name: str, *options: str) -> int:
        port = free_port()
        service = self._run(name, port, ["--appendonly", "yes", "--save", "", *options])
        if name == "master":
            self._master_service = service
        return port

    def _sentinel(self, number: int, down_after_s: float) -> int:
        port, file = free_port(), self._folder / f"sentinel-{number}.conf"
        file.write_text(
            f"sentinel monitor {_NAME} {HOST} {self.wire.port} 2\n"
            f"sentinel down-after-milliseconds {_NAME} {round(down_after_s * 1000)}\n"
            f"sentinel failover-timeout {_NAME} 3000\n",
            encoding="utf-8",
        )
        self._run(f"sentinel-{number}", port, ["--sentinel"], str(file))
        return port

    def _run(self, name: str, port: int, options: Sequence[str], *config: str) -> Service:
        folder = self._folder / name
        folder.mkdir()
        place = ["--bind", HOST, "--port", str(port), "--dir", str(folder)]
        command = [str(find_executable()), *config, *place, *options]
        service = Service(name, lambda: command, self._folder / f"{name}.log")
        self._stack.callback(service.stop)
        service.start()

        def answers() -> bool:
            with local_client(port, timeout_s=_TIMEOUT_S) as client:
                return bool(client.ping())

        until(answers, f"{name} answers")
        return service

    def _whole(self) -> bool:
        with local_client(self.replica, timeout_s=_TIMEOUT_S) as client:
            if client.info("replication").get("master_link_status") != "up":
                return False
        for port in self.sentinels:
            with local_client(port, timeout_s=_TIMEOUT_S) as sentinel:
                told = sentinel.sentinel_master(_NAME)
                if told["num-slaves"] != 1 or told["num-other-sentinels"] != len(self.sentinels) - 1:
                    return False
        return True


class Writer:
    """Appends numbers to the stream of the old master, as long as that takes them, and notes what it confirmed."""

    def __init__(self, port: int, *, wait: bool) -> None:
        self.confirmed: dict[int, float] = {}
        self._port, self._wait = port, wait
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, name="writer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let it end."""
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        with local_client(self._port, timeout_s=_TIMEOUT_S) as client:
            for number in itertools.count():
                if self._stop.wait(_EVERY_S):
                    return
                with suppress(RedisError, OSError):  # refused, or gone: then it is not confirmed
                    if self._append(client, number):
                        self.confirmed[number] = time.monotonic()

    def _append(self, client: Redis, number: int) -> bool:
        client.xadd(_STREAM, {"n": number})
        return not self._wait or client.wait(1, round(_TIMEOUT_S * 500)) >= 1


def measured(servers: Servers, event: str, guard: str) -> Found:
    """Let it happen, wait for the new master, and compare."""
    writer = Writer(servers.master, wait=guard == "wait")
    time.sleep(BEFORE_S)
    happened = time.monotonic()
    if event == "killed":
        servers.kill_master()
    else:
        servers.wire.change(silent=True)
    until(lambda: _writable(servers.url), "a new master takes writes")
    away_s = time.monotonic() - happened
    until(servers.promoted, "the replica is promoted")
    time.sleep(AFTER_S)
    writer.stop()
    with local_client(servers.replica, timeout_s=_TIMEOUT_S) as client:
        there = {int(fields[b"n"]) for _, fields in client.xrange(_STREAM)}
    servers.wire.change(silent=False)  # what it holds would else be thrown away noisily at the end
    missing = sorted(writer.confirmed.keys() - there)
    window_s = writer.confirmed[missing[-1]] - writer.confirmed[missing[0]] if missing else 0.0
    return Found(len(writer.confirmed), len(missing), window_s, away_s)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what must come."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with suppress(RedisError, OSError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise FailoverError(f"bench failover: waited {_PATIENCE_S:g} s in vain until {what}")
        time.sleep(0.05)


def _writable(url: str) -> bool:
    with suppress(RedisUnavailable), connect(url, timeout_s=_TIMEOUT_S, resend=False) as client:
        return bool(client.set("writable", 1))
    return False


if __name__ == "__main__":
    raise SystemExit(run(main))
