"""The layout that the first start pins."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.pinning import LAYOUT_VERSION, Layout, LayoutMismatch, agreed, pin
from shared.redis.connection import Client, connect
from shared.shards import LAYOUT_KEY
from tests.real_redis import full


def test_a_later_start_with_the_same_number_agrees(client: Client) -> None:
    assert pin(client, 64) == pin(client, 64) == Layout(LAYOUT_VERSION, 64)


def test_another_number_of_shards_is_refused_naming_both(client: Client) -> None:
    pin(client, 64)
    with pytest.raises(
        LayoutMismatch, match=r"set up with 64 shards, this start asks for 32: set stream\.shards to 64"
    ):
        pin(client, 32)
    assert pin(client, 64).shards == 64


def test_another_layout_version_is_refused_naming_both() -> None:
    with pytest.raises(LayoutMismatch, match=r"layout 2, this program uses layout 1"):
        agreed(Layout(2, 64).encode(), Layout(1, 64))


@pytest.mark.parametrize(
    "stored", [b"", b"64", b"{}", b'{"version": 1, "shards": "64"}', b"\xff", b'{"shards": 1}']
)
def test_a_key_that_is_not_ours_is_refused(client: Client, stored: bytes) -> None:
    client.set(LAYOUT_KEY, stored)
    with pytest.raises(LayoutMismatch, match="none of ours"):
        pin(client, 64)


def test_a_full_redis_is_agreed_with(client: Client) -> None:
    pin(client, 64)
    with full(client):
        assert pin(client, 64).shards == 64


def test_of_racing_starters_those_that_disagree_with_the_first_are_refused(redis_url: str) -> None:
    def start(shards: int) -> int | None:
        with connect(redis_url) as client:
            try:
                return pin(client, shards).shards
            except LayoutMismatch:
                return None

    asked = [16, 32] * 8
    with ThreadPoolExecutor(len(asked)) as pool:
        got = list(pool.map(start, asked))
    winner = next(shards for shards in got if shards is not None)
    assert got == [winner if shards == winner else None for shards in asked]
