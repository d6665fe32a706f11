"""What is packed here is what Redis' own Lua unpacks."""

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.inference.commit.packing import packed, packed_pairs
from shared.redis.connection import Client


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=30))
@example([b"", b"x" * 31, b"x" * 32, b"x" * 255, b"x" * 256, b"x" * 65_535, b"x" * 65_536, b"\xff" * 200_000])
def test_redis_unpacks_what_was_packed(client: Client, strings: list[bytes]) -> None:
    assert client.eval("return cmsgpack.unpack(ARGV[1])", 0, packed(strings)) == strings


def test_nothing_is_packed_as_nothing() -> None:
    assert packed([]) == packed_pairs({}) == b""
