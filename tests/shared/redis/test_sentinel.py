"""A master that Sentinels know: found, lost, found anew after a fail-over; and what is wrong is said in a line."""

import asyncio

import pytest

from shared.redis.connection import RedisUnavailable, connect, connect_async, server_info
from shared.redis.local import local_client
from tests.real_redis import Watched


def test_the_master_is_found_by_its_name_and_past_a_sentinel_that_is_away(watched: Watched) -> None:
    with connect(f"redis+sentinel://127.0.0.1:1,{watched.hosts}/ward?db=0") as client:
        client.set("a", 1)
    with local_client(watched.master, timeout_s=5) as direct:
        assert direct.get("a") == b"1"


def test_asyncio_finds_it_too(watched: Watched) -> None:
    async def ask() -> bool:
        client = await connect_async(watched.url)
        try:
            return bool(await client.ping())
        finally:
            await client.aclose()

    assert asyncio.run(ask())


def test_a_client_goes_on_with_the_replica_that_was_promoted(doomed: Watched) -> None:
    lives: list[str] = []
    with connect(doomed.url, on_connect=lives.append) as client:
        client.set("b", 1)
        before = server_info(client).run_id
        doomed.wait_for_replica()
        doomed.kill_master()
        doomed.wait_for_promotion()
        assert client.get("b") == b"1"
        assert server_info(client).run_id != before
        assert len(set(lives)) == 2


@pytest.mark.parametrize("place", ["127.0.0.1:1/ward", "{hosts}/nobody"])
def test_a_master_that_no_sentinel_knows_is_said_in_a_line(watched: Watched, place: str) -> None:
    name = place.rpartition("/")[2]
    with pytest.raises(
        RedisUnavailable, match=rf"none of its Sentinels answers and knows a living master '{name}'$"
    ):
        connect(f"redis+sentinel://{place.format(hosts=watched.hosts)}")
