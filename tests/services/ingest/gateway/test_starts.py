"""The start of a session: one for all gateways, whatever Redis forgets."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from services.ingest.gateway.refusal import Refusal
from services.ingest.gateway.starts import ASK_AGAIN_S, SessionStarts
from shared.redis.connection import Client, connect_async

SESSION = (b"p", 5)
KEY = "start:{s00}:5:p"


class World:
    now = 0.0
    generation = 0


def with_two(url: str, work: Callable[[SessionStarts, SessionStarts, World], Awaitable[None]]) -> None:
    """Two gateways' worth of starts on one Redis, on a clock and a count of restarts of the test's own."""

    async def run() -> None:
        world = World()
        client = await connect_async(url, timeout_s=1)
        try:
            one, other = (
                SessionStarts(
                    client, shards=1, memory_s=900, generation=lambda: world.generation, clock=lambda: world.now
                )
                for _ in range(2)
            )
            await work(one, other, world)
        finally:
            await client.aclose()

    asyncio.run(run())


def test_the_first_who_proposes_decides_for_all(redis_url: str) -> None:
    async def work(one: SessionStarts, other: SessionStarts, _world: World) -> None:
        assert await one.agree({SESSION: 100}) == {SESSION: 100}
        assert await other.agree({SESSION: 200, (b"q", 5): 300}) == {SESSION: 100, (b"q", 5): 300}

    with_two(redis_url, work)


def test_many_who_propose_at_once_agree(redis_url: str) -> None:
    async def work(one: SessionStarts, other: SessionStarts, _world: World) -> None:
        both = [(one, other)[i % 2].agree({SESSION: 100 + i}) for i in range(20)]
        assert len({answer[SESSION] for answer in await asyncio.gather(*both)}) == 1

    with_two(redis_url, work)


def test_a_restarted_redis_that_forgot_is_told_again(redis_url: str, client: Client) -> None:
    async def work(one: SessionStarts, other: SessionStarts, world: World) -> None:
        await one.agree({SESSION: 100})
        client.delete(KEY)
        world.generation += 1
        assert await one.agree({SESSION: 999}) == {SESSION: 100}
        assert await other.agree({SESSION: 999}) == {SESSION: 100}

    with_two(redis_url, work)


def test_a_session_in_use_does_not_expire(redis_url: str, client: Client) -> None:
    async def work(one: SessionStarts, _other: SessionStarts, world: World) -> None:
        await one.agree({SESSION: 100})
        client.expire(KEY, 5)
        await one.agree({SESSION: 100})
        assert client.ttl(KEY) <= 5
        world.now = ASK_AGAIN_S + 1
        await one.agree({SESSION: 100})
        assert int(client.ttl(KEY)) > 800  # type: ignore[arg-type]  # sync client

    with_two(redis_url, work)


@pytest.mark.parametrize("damage", ["no number", None])
def test_a_value_of_somebody_else_is_refused(redis_url: str, client: Client, damage: Any) -> None:
    client.set(KEY, damage) if damage else client.lpush(KEY, "x")

    async def work(one: SessionStarts, _other: SessionStarts, _world: World) -> None:
        with pytest.raises(Refusal) as refused:
            await one.agree({SESSION: 100})
        assert refused.value.status == 503

    with_two(redis_url, work)
