"""Which servers will do."""

import pytest

from shared.redis.server import ServerInfo

REDIS = {"redis_version": "7.2.4", "redis_mode": "standalone", "role": "master", "loading": 0}


def test_valkey_is_known_by_its_own_version() -> None:
    info = ServerInfo.parse({**REDIS, "server_name": "valkey", "valkey_version": "8.0.1"})
    assert (info.name, info.refusal(as_cluster=False)) == ("Valkey 8.0.1", None)


@pytest.mark.parametrize(("version", "does"), [("6.2.0", True), (6.2, True), ("10.0.1", True), ("6.0.20", False)])
def test_6_2_is_the_oldest_that_does(version: object, does: bool) -> None:
    info = ServerInfo.parse({**REDIS, "redis_version": version})
    assert (info.refusal(as_cluster=False) is None) == does


@pytest.mark.parametrize(
    ("differs", "as_cluster", "says"),
    [
        ({"redis_version": "5.0.7"}, False, "Redis 5.0.7, too old: 6.2 or newer"),
        ({"loading": 1}, False, "still loading"),
        ({"redis_mode": "sentinel"}, False, "Sentinel"),
        ({"redis_mode": "cluster"}, False, "redis+cluster://"),
        ({}, True, "not a Redis Cluster"),
        ({"role": "slave", "master_host": "10.0.0.1", "master_port": 6379}, False, "its master, 10.0.0.1:6379"),
    ],
)
def test_a_server_that_will_not_do_is_refused_with_the_reason(
    differs: dict[str, object], as_cluster: bool, says: str
) -> None:
    assert says in str(ServerInfo.parse({**REDIS, **differs}).refusal(as_cluster=as_cluster))
