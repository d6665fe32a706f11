"""A command was executed and its reply was lost: sent again only by those who asked for it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import redis.exceptions
from redis import RedisCluster

from shared.redis.connection import Client, RedisUnavailable, connect, connect_async, explained
from shared.redis.embedded import EmbeddedServer

LOST = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)


@pytest.fixture
def relay(redis_server: EmbeddedServer, client: Client, relay_to: Callable[..., Any]) -> Any:
    return relay_to(redis_server.port)


def url_of(relay: Any) -> str:
    return f"redis://127.0.0.1:{relay.port}"


def test_a_commit_client_sends_once_and_raises(relay: Any, client: Client) -> None:
    with connect(url_of(relay), resend=False) as commit:
        relay.lose(b"INCR")
        with pytest.raises(LOST):
            commit.incr("n")
    assert (relay.lost, client.get("n")) == (1, b"1")


def test_a_commit_script_is_executed_once(relay: Any, client: Client) -> None:
    with connect(url_of(relay), resend=False) as commit:
        relay.lose(b"EVAL")
        with pytest.raises(LOST):
            commit.eval("return redis.call('INCR', KEYS[1])", 1, "n")
    assert client.get("n") == b"1"


def test_a_commit_pipeline_is_executed_once(relay: Any, client: Client) -> None:
    with connect(url_of(relay), resend=False) as commit:
        relay.lose(b"INCR")
        with pytest.raises(LOST):
            commit.pipeline().incr("n").incr("n").execute()
    assert client.get("n") == b"2"


def test_an_asyncio_commit_client_sends_once_and_raises(relay: Any, client: Client) -> None:
    async def commit() -> None:
        async_client = await connect_async(url_of(relay), resend=False)
        relay.lose(b"INCR")
        try:
            await async_client.incr("n")
        finally:
            await async_client.aclose()

    with pytest.raises(LOST):
        asyncio.run(commit())
    assert (relay.lost, client.get("n")) == (1, b"1")


def test_a_commit_client_goes_on_after_a_lost_reply(relay: Any, client: Client) -> None:
    with connect(url_of(relay), resend=False) as commit:
        relay.lose(b"INCR")
        with pytest.raises(LOST):
            commit.incr("n")
        assert commit.get("n") == b"1"


def test_a_commit_client_of_a_cluster_sends_once(cluster_port: int, relay_to: Callable[..., Any]) -> None:
    url = f"redis+cluster://127.0.0.1:{cluster_port}"
    with connect(url) as reader, connect(url, resend=False) as commit:
        assert isinstance(commit, RedisCluster)
        # A cluster's client connects to the addresses that the nodes announce: put the relay in between.
        node = commit.get_node_from_key("n")
        relay = relay_to(node.port)
        node.redis_connection.connection_pool.disconnect()
        node.redis_connection.connection_pool.connection_kwargs["port"] = relay.port
        node.redis_connection.connection_pool.reset()
        relay.lose(b"INCR", times=9)
        with pytest.raises(LOST):
            commit.incr("n")
        assert (relay.lost, reader.get("n")) == (1, b"1")


def test_the_default_client_asks_again(relay: Any, client: Client) -> None:
    client.set("k", b"v")
    with connect(url_of(relay)) as reader:
        relay.lose(b"GET", times=2)
        assert reader.get("k") == b"v"
    assert relay.lost == 2


def test_the_default_client_does_not_ask_for_ever(relay: Any, client: Client) -> None:
    with connect(url_of(relay)) as reader:
        relay.lose(b"GET", times=100)
        with pytest.raises(LOST):
            reader.get("k")
    assert relay.lost == 3


def test_the_default_asyncio_client_asks_again(relay: Any, client: Client) -> None:
    async def ask() -> object:
        reader = await connect_async(url_of(relay))
        relay.lose(b"GET", times=2)
        try:
            return await reader.get("k")
        finally:
            await reader.aclose()

    client.set("k", b"v")
    assert asyncio.run(ask()) == b"v"


def test_a_lost_reply_explained_is_one_line(relay: Any, client: Client) -> None:
    with connect(url_of(relay), resend=False) as commit:
        relay.lose(b"INCR")
        with (
            pytest.raises(RedisUnavailable, match="cannot be reached: Connection closed by server"),
            explained(url_of(relay)),
        ):
            commit.incr("n")
