"""The one way to Redis, against real servers."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.redis.connection import Client, RedisUnavailable, connect, connect_async, explained, server_info
from shared.redis.embedded import EmbeddedServer, embedded

SAMPLES = bytes(range(256))


def round_trip(url: str) -> bytes | str | None:
    with connect(url) as client:
        client.set("k", SAMPLES)
        return client.get("k")


async def round_trip_async(url: str) -> bytes | str | None:
    client = await connect_async(url)
    try:
        await client.set("k", SAMPLES)
        return await client.get("k")
    finally:
        await client.aclose()


def refusal(url: str, timeout_s: float = 2.0) -> str:
    """The one line of a refused connection; the asyncio client must say the same."""
    with pytest.raises(RedisUnavailable) as refused:
        connect(url, timeout_s=timeout_s)
    with pytest.raises(RedisUnavailable):
        asyncio.run(connect_async(url, timeout_s=timeout_s))
    line = str(refused.value)
    assert "\n" not in line
    return line


def test_bytes_go_in_and_come_out(redis_url: str) -> None:
    assert round_trip(redis_url) == asyncio.run(round_trip_async(redis_url)) == SAMPLES


def test_the_server_says_who_it_is(client: Client, redis_server: EmbeddedServer) -> None:
    info = server_info(client)
    assert (info.name, info.pid, info.cluster) == ("Redis 6.2.14", redis_server.pid, False)
    assert (info.maxmemory, info.maxmemory_policy) == (256 << 20, "noeviction")
    assert 0 < info.used_memory < info.maxmemory
    assert len(info.run_id) == 40


def test_a_newer_server_on_this_machine_does_too(other_redis: Path, tmp_path: Path) -> None:
    with embedded(tmp_path, port=0, maxmemory_mb=64, executable=other_redis) as server:
        assert round_trip(server.url) == asyncio.run(round_trip_async(server.url)) == SAMPLES
        with connect(server.url) as client:
            assert server_info(client).version >= (6, 2)


def test_a_database_is_chosen_by_the_path(redis_url: str, client: Client) -> None:
    round_trip(redis_url.removesuffix("/0") + "/5")
    assert client.exists("k") == 0


@pytest.fixture(scope="module")
def socket_path(start_redis: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("s") / "redis.sock"
    start_redis("--unixsocket", str(path), "--requirepass", "pass@word")
    return path


def test_a_socket_file_works_with_its_password(socket_path: Path) -> None:
    url = f"unix://:pass%40word@{socket_path}"
    assert round_trip(url) == asyncio.run(round_trip_async(url)) == SAMPLES


def test_a_missing_password_is_said_so(socket_path: Path) -> None:
    assert "wants a password" in refusal(f"unix://{socket_path}")


def test_a_socket_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    assert "No such file" in refusal(f"unix://{tmp_path}/none.sock")


@pytest.fixture
def acl_url(redis_url: str, client: Client) -> Iterator[str]:
    """A user who may touch some keys only."""
    client.acl_setuser("ward", enabled=True, passwords=["+s3cr3t"], keys=["k"], commands=["+@all"], reset=True)
    yield redis_url.replace("redis://", "redis://ward:s3cr3t@")
    client.acl_deluser("ward")


def test_a_user_with_a_password_may_come_in(acl_url: str) -> None:
    assert round_trip(acl_url) == asyncio.run(round_trip_async(acl_url)) == SAMPLES


def test_a_wrong_password_is_named_but_not_shown(acl_url: str) -> None:
    line = refusal(acl_url.replace("s3cr3t", "wr0ng"))
    assert "refuses the password of user ward" in line
    assert "wr0ng" not in line


def test_a_user_who_may_not_ask_is_told_what_is_missing(acl_url: str, client: Client) -> None:
    client.acl_setuser("ward", enabled=True, commands=["-info"])
    line = refusal(acl_url)
    assert "does not let user ward" in line
    assert "info" in line


def test_an_error_later_on_becomes_one_line_too(acl_url: str) -> None:
    with (
        connect(acl_url) as ward,
        pytest.raises(RedisUnavailable, match="does not let user ward"),
        explained(acl_url),
    ):
        ward.set("not for ward", b"1")


def test_a_server_that_nobody_runs_is_said_so() -> None:
    with socket.socket() as bound_but_deaf:
        bound_but_deaf.bind(("127.0.0.1", 0))
        line = refusal(f"redis://:s3cr3t@127.0.0.1:{bound_but_deaf.getsockname()[1]}")
    assert "cannot be reached" in line
    assert "s3cr3t" not in line


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "does not answer in time" in refusal(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)


@pytest.fixture
def banner_port() -> Iterator[int]:
    """Something that is not Redis: it greets like an SSH server and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            for _ in range(2):
                peer, _address = listener.accept()
                with peer:
                    peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                    peer.recv(4096)

        greeter = threading.Thread(target=greet)
        greeter.start()
        yield listener.getsockname()[1]
        greeter.join()


def test_something_that_is_not_redis_is_said_so(banner_port: int) -> None:
    assert "not as a Redis server does" in refusal(f"redis://127.0.0.1:{banner_port}")


def test_a_server_still_loading_is_said_so(start_redis: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" * 100_000)
    port = start_redis("--appendonly", "yes", "--key-load-delay", "100", folder=tmp_path, loaded=False)
    assert "still loading" in refusal(f"redis://127.0.0.1:{port}")


def test_a_replica_names_its_master(start_redis: Callable[..., int], redis_server: EmbeddedServer) -> None:
    port = start_redis("--replicaof", "127.0.0.1", str(redis_server.port))
    assert f"its master, 127.0.0.1:{redis_server.port}" in refusal(f"redis://127.0.0.1:{port}")


def test_a_cluster_is_one_store_of_many_slots(cluster_port: int) -> None:
    url = f"redis+cluster://127.0.0.1:{cluster_port}"
    assert round_trip(url) == asyncio.run(round_trip_async(url)) == SAMPLES
    with connect(url) as client:
        for shard in range(64):
            client.incr(f"ecg:{{s{shard:02}}}")
        holders = {server_info(client, key=f"ecg:{{s{shard:02}}}").run_id for shard in range(64)}
    assert len(holders) == 3


def test_a_cluster_and_a_single_server_are_not_mistaken_for_each_other(cluster_port: int, redis_url: str) -> None:
    assert "write redis+cluster://" in refusal(f"redis://127.0.0.1:{cluster_port}")
    assert "not a Redis Cluster: write redis://" in refusal(redis_url.replace("redis://", "redis+cluster://")[:-2])


def test_a_cluster_that_nobody_runs_is_said_so() -> None:
    assert "cannot be reached" in refusal("redis+cluster://127.0.0.1:1")
