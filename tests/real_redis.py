"""Fixtures for all tests that need more than one shared Redis: real servers, and sockets that break."""

import contextlib
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.ports import free_port
from shared.redis.embedded import EmbeddedServer, embedded, find_executable
from shared.redis.local import local_client, taken_by
from tests.waiting import until

StartRedis = Callable[..., int]


@pytest.fixture(scope="session")
def other_redis() -> Path:
    """A redis-server that somebody else installed, usually newer and with TLS."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("no redis-server on PATH; only the embedded one is tested")
    return Path(found)


@pytest.fixture(scope="session")
def start_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRedis]:
    """Start a redis-server with any options; gives its port once it answers and, if wanted, has read its data."""
    started: list[subprocess.Popen[bytes]] = []

    def start(
        *options: str,
        executable: Path | None = None,
        port: int = 0,
        folder: Path | None = None,
        loaded: bool = True,
        config: Path | None = None,
    ) -> int:
        port = port or free_port()
        folder = folder or tmp_path_factory.mktemp("server")
        command = [
            str(executable or find_executable()),
            *([str(config)] if config else []),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
        ]
        command += ["--dir", str(folder), "--save", "", *options]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, process_group=0)
        started.append(process)

        def listens() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            with socket.socket() as probe:
                probe.settimeout(5)
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    return False
                if not loaded or "--tls-port" in options:
                    return True
                probe.sendall(b"PING\r\n")
                return not probe.recv(64).startswith(b"-LOADING")

        until(listens, f"redis-server {options}")
        return port

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):  # a test has killed it
            os.killpg(process.pid, signal.SIGKILL)  # and what a wrapper such as faketime has started
        process.wait()


@contextlib.contextmanager
def full(client: redis.Redis) -> Iterator[None]:
    """Within it the server's memory is full: it refuses whatever might need more."""
    before = client.config_get("maxmemory")["maxmemory"]
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", before)


class Relay:
    """A TCP relay to a local port that can speak TLS to its clients and can lose replies.

    With `lose(b"INCR")` the next request holding those bytes is passed on and executed; its
    reply is thrown away and the connection closed, as when a network breaks at the worst moment.
    With `drop` the request itself gets lost.
    """

    def __init__(self, target: int, context: ssl.SSLContext | None) -> None:
        self.target, self.context = target, context
        self.to_lose: bytes | None = None
        self.to_drop: bytes | None = None
        self.losses_left = 0
        self.lost = self.accepted = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, request: bytes, times: int = 1) -> None:
        self.to_lose, self.losses_left = request, times

    def drop(self, request: bytes) -> None:
        self.to_drop = request

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed at the end of the test
            while True:
                near, _ = self.listener.accept()
                self.accepted += 1
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self.context is not None:
                near = self.context.wrap_socket(near, server_side=True)
            stack.enter_context(near)
            far = stack.enter_context(socket.create_connection(("127.0.0.1", self.target)))
            self.sockets += [near, far]
            losing = False
            while True:
                # What TLS has already deciphered does not show on the socket.
                pending = self.context is not None and near.pending()  # type: ignore[attr-defined]
                ready = [near] if pending else select.select([near, far], [], [])[0]
                if near in ready:
                    request = near.recv(1 << 16)
                    if self.to_drop is not None and self.to_drop in request:
                        self.to_drop = None
                        return
                    # A client has one request in flight, so the next reply is this one's.
                    losing = self._loses(request) or losing
                    if not request:
                        return
                    far.sendall(request)
                if far in ready:
                    reply = far.recv(1 << 16)
                    if not reply or losing:
                        self.lost += losing
                        return
                    near.sendall(reply)

    def _loses(self, request: bytes) -> bool:
        loses = self.losses_left > 0 and self.to_lose is not None and self.to_lose in request
        self.losses_left -= loses
        return loses

    def cut(self) -> None:
        """Break what is connected; the threads that serve it wake up and close it."""
        for connected in self.sockets:
            with contextlib.suppress(OSError):  # the other side's end has ended it
                connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def relay_to() -> Iterator[Callable[..., Relay]]:
    relays: list[Relay] = []

    def make(target: int, context: ssl.SSLContext | None = None) -> Relay:
        relays.append(Relay(target, context))
        return relays[-1]

    yield make
    for relay in relays:
        relay.close()


@pytest.fixture
def quiet_port() -> int:
    """A port for a server that dies and comes back: none that Linux gives to a client in between."""
    return _port_with_bus()


@pytest.fixture(scope="session")
def cluster_port(start_redis: StartRedis) -> int:
    """A Redis Cluster of three masters; the port of one of them."""
    ports = [start_redis("--cluster-enabled", "yes", port=_port_with_bus()) for _ in range(3)]
    clients = [local_client(port, timeout_s=5.0) for port in ports]
    for number, client in enumerate(clients):
        slots = range(number * 16384 // 3, (number + 1) * 16384 // 3)
        client.execute_command("CLUSTER ADDSLOTS", *slots)
        client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
    for port in ports[1:]:
        clients[0].execute_command("CLUSTER MEET", "127.0.0.1", port)
    for client in clients:
        until(lambda client=client: _whole(client), "a whole cluster")
        client.close()
    return ports[0]


def _whole(client: redis.Redis) -> bool:
    info = client.execute_command("CLUSTER INFO")
    known = client.execute_command("CLUSTER NODES")
    return info["cluster_state"] == "ok" and sum("connected" in str(node) for node in known.values()) == 3


def _port_with_bus() -> int:
    """A free port whose cluster bus (port + 10000) is free too, both below those that Linux gives to clients."""
    first = os.getpid() * 7 % 2000
    for port in (20000 + (first + step) % 2000 for step in range(2000)):
        if taken_by(port) is None and taken_by(port + 10000) is None:
            return port
    raise AssertionError("no free pair of ports")


class Watched:
    """A master, a replica and three Sentinels that watch over them: real processes, ports of their own."""

    QUORUM, DOWN_AFTER_MS = 2, 1000

    def __init__(self, start: StartRedis, folder: Path, *options: str) -> None:
        self.master, self.replica = start(*options), free_port()
        start("--replicaof", "127.0.0.1", str(self.master), *options, port=self.replica)
        self.sentinels: list[int] = []
        for _ in range(3):
            port = free_port()
            config = folder / f"sentinel-{port}.conf"
            config.write_text(
                f"sentinel monitor ward 127.0.0.1 {self.master} {self.QUORUM}\n"
                f"sentinel down-after-milliseconds ward {self.DOWN_AFTER_MS}\n"
                "sentinel failover-timeout ward 5000\n",
                encoding="utf-8",
            )
            start("--sentinel", port=port, config=config)
            self.sentinels.append(port)
        self.hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        self.url = f"redis+sentinel://{self.hosts}/ward"
        until(self._whole, "Sentinels that know the replica and each other")

    def wait_for_replica(self) -> None:
        """Until it has all that the master has confirmed."""
        with local_client(self.master, timeout_s=5.0) as client:
            assert client.wait(1, 5000) == 1

    def kill_master(self) -> None:
        """It does not come back."""
        with local_client(self.master, timeout_s=5.0) as client:
            os.kill(int(client.info("server")["process_id"]), signal.SIGKILL)

    def wait_for_promotion(self) -> None:
        """Until the replica is master, and every Sentinel says so."""
        until(lambda: all(self._told(port)["port"] == self.replica for port in self.sentinels), "a new master", 30)
        with local_client(self.replica, timeout_s=5.0) as client:
            until(lambda: client.info("replication")["role"] == "master", "its promotion")

    def _whole(self) -> bool:
        told = [self._told(port) for port in self.sentinels]
        return all(each["num-slaves"] == 1 and each["num-other-sentinels"] == 2 for each in told)

    def _told(self, port: int) -> dict[str, Any]:
        with local_client(port, timeout_s=5.0) as sentinel:
            told: dict[str, Any] = sentinel.sentinel_master("ward")
            return told


@pytest.fixture(scope="session")
def watched(start_redis: StartRedis, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """One that no test may harm."""
    return Watched(start_redis, tmp_path_factory.mktemp("watched"))


@pytest.fixture
def doomed(start_redis: StartRedis, tmp_path: Path) -> Watched:
    """One of the test's own."""
    return Watched(start_redis, tmp_path)


class OwnRedis:
    """A Redis of one test alone, which the test may kill and start again on the same port."""

    def __init__(self, folder: Path, maxmemory_mb: int = 256) -> None:
        self._stack = contextlib.ExitStack()
        self._folder = folder
        self._maxmemory_mb = maxmemory_mb
        self.server = self._start(0)

    def _start(self, port: int) -> EmbeddedServer:
        return self._stack.enter_context(embedded(self._folder, port=port, maxmemory_mb=self._maxmemory_mb))

    def kill(self) -> None:
        os.kill(self.server.pid, signal.SIGKILL)
        until(lambda: not self.server.alive(), "the killed Redis is gone")

    def start_again(self) -> None:
        self.server = self._start(self.server.port)

    def obstruct_snapshots(self) -> None:
        """A folder lies where the next snapshot would go, so that it fails."""
        (self._folder / "dump.rdb").mkdir()

    def forget_everything(self) -> None:
        (self._folder / "appendonly.aof").unlink()

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    redis = OwnRedis(tmp_path)
    yield redis
    redis.close()
