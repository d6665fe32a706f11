"""Replicas, leases, lag and dead letters, looked at twice."""

from typing import Any

import pytest

from deploy.doctor.finding import Finding, Grade
from deploy.doctor.ward import examine_ward
from services.inference.commit.link import Link
from services.inference.monitor.pulse import Pulse, tell
from services.inference.ownership.tenure import Tenures
from shared.redis.connection import Client
from shared.shards import BATCH_FIELD, LAYOUT_KEY, dead_letters_key, position_key, stream_key

SHARDS = 4


@pytest.fixture
def owner(redis_url: str, client: Client) -> Any:
    """A replica that owns everything and says so."""
    link = Link(redis_url, timeout_s=5)
    tenures = Tenures(link, "r", SHARDS, lease_s=30, beat_s=1, clock=lambda: 0.0)
    tenures.turn()
    tell(client, "r", Pulse(model="small:1"))
    yield tenures
    link.close()


def examined(client: Client, meanwhile: Any = lambda _seconds: None) -> dict[str, Finding]:
    """By check; ``meanwhile`` happens between the two looks."""
    return {finding.check: finding for finding in examine_ward(client, SHARDS, 1.0, meanwhile)}


def append(client: Client, shard: int, milliseconds: int) -> str:
    entry: Any = client.xadd(stream_key(shard), {BATCH_FIELD: b"x"}, id=f"{milliseconds}-0")
    return str(entry.decode())


def test_a_ward_that_is_well_is_well(owner: Tenures, client: Client) -> None:
    assert {finding.grade for finding in examined(client).values()} == {Grade.OK}


def test_without_replicas_nobody_scores(client: Client) -> None:
    found = examined(client)
    assert (found["replicas"].grade, found["leases"].grade) == (Grade.FAULT, Grade.FAULT)


def test_shards_without_an_owner_are_named(owner: Tenures, client: Client) -> None:
    owner.release(2)
    found = examined(client)["leases"]
    assert (found.grade, "1 of 4 shards (2)" in found.said) == (Grade.FAULT, True)


def test_a_shard_that_changes_hands_between_two_looks_is_no_fault(owner: Tenures, client: Client) -> None:
    owner.release(2)
    assert examined(client, lambda _seconds: client.set("lease:{s02}", "other"))["leases"].grade is Grade.OK


def test_a_shard_that_is_far_behind_but_moves_is_a_warning(owner: Tenures, client: Client) -> None:
    client.hset(position_key(1), mapping={"offset": "1000-0", "sequence": "3"})
    append(client, 1, 61_000)
    found = examined(client, lambda _seconds: client.hset(position_key(1), "sequence", "4"))["lag"]
    assert (found.grade, found.said) == (Grade.WARNING, "the slowest shard is 60.0 s behind")


def test_a_shard_that_stands_still_is_a_fault(owner: Tenures, client: Client) -> None:
    client.hset(position_key(1), mapping={"offset": "1000-0", "sequence": "3"})
    append(client, 1, 61_000)
    assert examined(client)["lag"].grade is Grade.FAULT


def test_entries_that_nobody_ever_read_are_a_fault(owner: Tenures, client: Client) -> None:
    append(client, 3, 61_000)
    assert examined(client)["lag"].grade is Grade.FAULT


def test_dead_letters_matter_while_they_grow(owner: Tenures, client: Client) -> None:
    def dead(_seconds: float = 0) -> None:
        client.xadd(dead_letters_key(0), {"reason": "checksum", "data": b""})

    dead()
    assert examined(client)["dead letters"].grade is Grade.OK
    found = examined(client, dead)["dead letters"]
    assert (found.grade, "checksum 2" in found.said) == (Grade.WARNING, True)


def test_a_configuration_that_was_refused_is_told(owner: Tenures, client: Client) -> None:
    tell(client, "r", Pulse(model="small:1", refused="alarm.low: must be at most 1"))
    found = examined(client)["replicas"]
    assert (found.grade, "alarm.low" in found.said) == (Grade.FAULT, True)


def test_two_models_at_once_are_told(owner: Tenures, redis_url: str, client: Client) -> None:
    link = Link(redis_url, timeout_s=5)
    Tenures(link, "q", SHARDS, lease_s=30, beat_s=1, clock=lambda: 0.0).turn()
    tell(client, "q", Pulse(model="small:2"))
    assert examined(client)["replicas"].grade is Grade.WARNING
    link.close()


def test_a_cluster_is_looked_at_in_the_same_way(cluster_port: int) -> None:
    url = f"redis+cluster://127.0.0.1:{cluster_port}"
    link = Link(url, timeout_s=5)
    link.client.flushall()  # what other tests left in it
    tenures = Tenures(link, "c", SHARDS, lease_s=30, beat_s=1, clock=lambda: 0.0)
    tenures.turn()
    tell(link.client, "c", Pulse(model="small:1"))
    try:
        assert {finding.grade for finding in examined(link.client).values()} == {Grade.OK}
    finally:
        tenures.close()
        link.client.delete(LAYOUT_KEY)
        link.close()
