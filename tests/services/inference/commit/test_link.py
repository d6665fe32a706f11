"""Another master, or the same one in another life, is another generation; both clients of a link agree on it."""

import socket
from collections.abc import Callable, Iterator

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from services.inference.commit.link import Link, ServerChanged
from shared.redis.local import local_client
from tests.real_redis import Relay, StartRedis
from tests.waiting import until


@pytest.fixture
def two(start_redis: StartRedis) -> tuple[int, int]:
    """Two masters."""
    return start_redis(), start_redis()


@pytest.fixture
def link(two: tuple[int, int]) -> Iterator[Link]:
    """To the first of them."""
    link = Link(f"redis://127.0.0.1:{two[0]}", timeout_s=5)
    yield link
    link.close()


def follow(port: int, master: int | None) -> None:
    """Make a server a replica, or a master again, and break its connections, as Sentinels do."""
    with local_client(port, timeout_s=5.0) as client:
        if master is None:
            client.replicaof("NO", "ONE")
        else:
            client.replicaof("127.0.0.1", str(master))
            until(lambda: client.info("replication")["master_link_status"] == "up", "a replica")
        client.client_kill_filter(_type="normal", skipme=True)


def test_a_master_that_was_a_replica_meanwhile_is_another_though_its_process_is_the_same(
    two: tuple[int, int], link: Link
) -> None:
    first, other = two
    before = link.generation
    follow(first, other)
    with pytest.raises(RedisConnectionError, match="a replica now, of "):
        link.client.ping()
    follow(first, None)
    with pytest.raises(ServerChanged):
        link.client.ping()
    assert link.client.ping()
    assert link.generation == before + 1


def test_nothing_is_written_to_a_master_that_became_a_replica_on_a_connection_that_stayed(
    two: tuple[int, int], link: Link
) -> None:
    first, other = two
    assert link.client.ping()
    with local_client(first, timeout_s=5.0) as client:
        client.replicaof("127.0.0.1", str(other))
    with pytest.raises(ReadOnlyError):
        link.client.set("a", 1)


def test_a_reader_led_to_another_master_breaks_the_connection_of_commits(
    two: tuple[int, int], relay_to: Callable[..., Relay]
) -> None:
    relay = relay_to(two[0])
    link = Link(f"redis://127.0.0.1:{relay.port}", timeout_s=5)
    with link.reader() as reader:
        assert reader.ping()
        assert link.client.ping()
        before = link.generation
        relay.target = two[1]
        reader.connection_pool.disconnect()
        with pytest.raises(ServerChanged):
            reader.ping()
        assert reader.ping()  # of the other
        assert link.generation == before + 1
        assert link.client.ping()  # its own connection is gone, and the new one leads to where the reader's does
        assert link.client.info("server")["run_id"] == reader.info("server")["run_id"]
        assert link.generation == before + 1
    link.close()


def test_a_read_from_a_machine_that_has_gone_is_tried_once(
    two: tuple[int, int], relay_to: Callable[..., Relay]
) -> None:
    """Neither asked again nor connected again: that is the loop's, which shows between two tries that it lives."""
    relay = relay_to(two[0])
    link = Link(f"redis://127.0.0.1:{relay.port}", timeout_s=0.3)
    with socket.create_server(("127.0.0.1", 0)) as gone, link.reader() as reader:  # it takes, and never answers
        assert reader.ping()
        relay.target = gone.getsockname()[1]
        relay.cut()
        for tried in range(1, 4):
            with pytest.raises((RedisConnectionError, RedisTimeoutError)):
                reader.ping()
            assert relay.accepted == 2 + tried
    link.close()
