"""What the doctor finds in real servers that are set up wrongly, one way at a time."""

import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from deploy.doctor.finding import Finding, Grade
from deploy.doctor.redis import examine_redis, judge_clock, judge_latency, judge_layout
from shared.pinning import pin
from shared.redis.connection import Client, RedisUnavailable, connect
from shared.redis.embedded import find_executable
from shared.redis.local import local_client
from shared.shards import LAYOUT_KEY
from tests.deploy.manifests import KUBERNETES
from tests.real_redis import Watched
from tests.waiting import until

Examine = Callable[..., dict[str, Finding]]
KEEP_S = 5.0
WELL = ("--appendonly", "yes", "--maxmemory", "64mb", "--maxmemory-policy", "noeviction")


@pytest.fixture
def examined(start_redis: Callable[..., int]) -> Iterator[Examine]:
    """Start a server with these options and examine it; the worst finding of each check."""
    with ExitStack() as stack:

        def examine(
            *options: str, before: Callable[[Client], Any] | None = None, **how: Any
        ) -> dict[str, Finding]:
            port = start_redis(*options, **how)
            client = stack.enter_context(connect(f"redis://127.0.0.1:{port}"))
            if before is not None:
                before(client)
            return worst(examine_redis(client, 64, KEEP_S))

        yield examine


def worst(findings: Any) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for finding in findings:
        if finding.check not in found or finding.grade > found[finding.check].grade:
            found[finding.check] = finding
    return found


def test_a_redis_as_we_set_it_up_is_well(client: Client) -> None:
    pin(client, 64)
    found = worst(examine_redis(client, 64, KEEP_S))
    assert {check for check, each in found.items() if each.grade is not Grade.OK} <= {"redis latency"}
    assert "everysec" in found["redis persistence"].said


@pytest.mark.parametrize(
    ("options", "check", "grade", "words"),
    [
        (("--maxmemory", "64mb"), "redis persistence", Grade.FAULT, "appendonly yes"),
        ((*WELL, "--appendfsync", "no"), "redis persistence", Grade.WARNING, "everysec"),
        (("--appendonly", "yes"), "redis memory", Grade.WARNING, "maxmemory"),
        ((*WELL[:4], "--maxmemory-policy", "allkeys-lru"), "redis memory", Grade.FAULT, "noeviction"),
        (("--appendonly", "yes", "--maxmemory", "600kb"), "redis memory", Grade.FAULT, "raise maxmemory"),
    ],
)
def test_a_wrong_setting_is_found_with_what_to_do(
    examined: Examine, options: tuple[str, ...], check: str, grade: Grade, words: str
) -> None:
    found = examined(*options)[check]
    assert (found.grade, words in found.do) == (grade, True)


def test_keys_that_were_evicted_are_told(examined: Examine) -> None:
    def overfill(client: Client) -> None:
        for number in range(200):
            client.set(f"k{number}", b"x" * 20_000)

    found = examined("--maxmemory", "2mb", "--maxmemory-policy", "allkeys-lru", before=overfill)
    assert found["redis eviction"].grade is Grade.FAULT


def test_one_wrong_setting_hides_no_other(examined: Examine) -> None:
    found = examined("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru", before=lambda c: pin(c, 7))
    bad = {check for check, each in found.items() if each.grade is Grade.FAULT}
    assert bad >= {"redis persistence", "redis memory", "layout"}


def test_a_clock_that_is_wrong_is_found(examined: Examine, tmp_path: Path) -> None:
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("faketime is absent: no server with a wrong clock can be had")
    script = tmp_path / "late-redis"
    script.write_text(f'#!/bin/sh\nexec {faketime} -f +90s {find_executable()} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    found = examined(*WELL, executable=script)["redis clock"]
    assert found.grade is Grade.FAULT
    assert "90.0 s ahead" in found.said


@pytest.mark.parametrize(("skew_s", "grade"), [(0.2, Grade.OK), (-3.0, Grade.WARNING), (-61.0, Grade.FAULT)])
def test_clocks_are_judged_by_how_far_they_are_apart(skew_s: float, grade: Grade) -> None:
    assert judge_clock(skew_s, "Redis").grade is grade


@pytest.mark.parametrize(("trip_ms", "grade"), [(0.3, Grade.OK), (12.0, Grade.WARNING), (80.0, Grade.FAULT)])
def test_latency_is_judged_by_its_middle(trip_ms: float, grade: Grade) -> None:
    assert judge_latency([trip_ms, trip_ms, 500.0], "Redis").grade is grade


@pytest.mark.parametrize(
    ("stored", "grade"),
    [
        (None, Grade.OK),
        (b'{"version": 1, "shards": 64}', Grade.OK),
        (b'{"version": 1, "shards": 8}', Grade.FAULT),
        (b'{"version": 99, "shards": 64}', Grade.FAULT),
        (b"somebody else's", Grade.FAULT),
    ],
)
def test_the_layout_is_held_against_the_settings(stored: bytes | None, grade: Grade) -> None:
    assert judge_layout(stored, 64).grade is grade


def test_all_masters_of_a_cluster_are_examined(cluster_port: int) -> None:
    with connect(f"redis+cluster://127.0.0.1:{cluster_port}") as client:
        found = list(examine_redis(client, 64, KEEP_S))
        client.delete(LAYOUT_KEY)
    persistence = [each for each in found if each.check == "redis persistence"]
    assert [each.grade for each in persistence] == [Grade.FAULT] * 3
    assert len({each.said.partition(": ")[0] for each in persistence}) == 3


def test_a_master_that_sentinels_replace_is_told_to_stop_confirming_when_it_is_cut_off(doomed: Watched) -> None:
    def replication(client: Client) -> Finding:
        return worst(examine_redis(client, 64, KEEP_S))["redis replication"]

    with connect(doomed.url) as client:
        told = replication(client)
        assert told.grade is Grade.WARNING
        for words in told.do.partition("set ")[2].partition(" on ")[0].split(" and "):
            client.config_set(*words.split())  # what it says is what helps
        until(lambda: replication(client).grade is Grade.OK, "a replica in step")
        client.config_set("min-replicas-max-lag", 10)  # Redis' own
        told = replication(client)
        assert (told.grade, "for 12 s" in told.said) == (Grade.WARNING, True)
        client.config_set("min-replicas-max-lag", 0)
        assert "min-replicas-max-lag 0" in replication(client).said
        client.config_set("min-replicas-max-lag", 2)
        with local_client(doomed.replica, timeout_s=5.0) as replica:
            replica.shutdown(nosave=True)
        until(lambda: not client.info("replication")["connected_slaves"], "the replica is gone")
        assert "none is" in replication(client).said
        client.config_set("min-replicas-to-write", 0)
        assert "nobody can take over" in replication(client).said


@pytest.fixture
def kubernetes_redis(start_redis: Callable[..., int], tmp_path: Path) -> int:
    """A server with the configuration that the manifests mount, and the users of docs/operations.md."""
    documented = (KUBERNETES.parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
    users = [line.strip() for line in documented.splitlines() if line.strip().startswith("user ")]
    assert len(users) == 4
    text = "\n".join(users).replace("PASSWORD", "secret-of-a-test").replace("ANOTHER", "another-secret")
    (tmp_path / "users.acl").write_text(text + "\n")
    config = (KUBERNETES / "components" / "redis" / "redis.conf").read_text(encoding="utf-8")
    assert config.count("/data") == config.count("/acl/users.acl") == 1
    config = config.replace("/data", str(tmp_path)).replace("/acl/users.acl", str(tmp_path / "users.acl"))
    (tmp_path / "redis.conf").write_text(config)
    script = tmp_path / "redis"
    # What start_redis adds comes after the file, and says what the file says.
    script.write_text(f'#!/bin/sh\nexec {find_executable()} {tmp_path}/redis.conf "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return start_redis(executable=script, folder=tmp_path)


def test_the_redis_of_the_manifests_is_well_and_its_user_may_do_what_we_do(kubernetes_redis: int) -> None:
    from benchmarks.commit import facts
    from services.inference.commit.facts import Retention
    from services.inference.commit.link import Link
    from services.inference.commit.store import Outcome, ShardStore
    from services.inference.ownership.heartbeat import Heartbeats
    from services.inference.ownership.lease import Leases, new_token
    from shared.sections import MonitorSettings

    url = f"redis://selfmis:secret-of-a-test@127.0.0.1:{kubernetes_redis}"
    link = Link(url, timeout_s=5)
    Heartbeats(link, "r", keep_ms=5000).beat()
    store = ShardStore(link, lease_ms=5000, retention=Retention.of(MonitorSettings()))
    holding = Leases(link, lease_ms=5000).acquire(0, new_token("r"), now_s=0.0)
    assert holding is not None
    assert store.load(holding) is not None
    assert store.commit(holding, facts(3, "1-1"), now_s=0.0) is Outcome.APPLIED
    found = worst(examine_redis(link.client, 64, KEEP_S))
    assert {each.grade for each in found.values()} <= {Grade.OK, Grade.SKIPPED}
    with pytest.raises(redis.exceptions.NoPermissionError):
        link.client.flushall()
    link.close()


def test_the_probe_of_the_manifests_may_ping_and_nothing_else(kubernetes_redis: int) -> None:
    probe = redis.Redis(port=kubernetes_redis, username="probe", password="none", protocol=2)
    assert probe.ping()
    with pytest.raises(redis.exceptions.NoPermissionError):
        probe.get(LAYOUT_KEY)
    probe.close()
    with pytest.raises(RedisUnavailable):
        connect(f"redis://127.0.0.1:{kubernetes_redis}")


def test_the_operator_of_the_manifests_may_do_what_the_page_tells_people_to_do(kubernetes_redis: int) -> None:
    with connect(f"redis://operator:another-secret@127.0.0.1:{kubernetes_redis}") as operator:
        operator.config_set("maxmemory", 1 << 30)
        operator.config_set("appendonly", "yes")
        operator.execute_command("ACL", "SETUSER", "selfmis", ">new")
        operator.execute_command("ACL", "SETUSER", "selfmis", "<secret-of-a-test")
        assert operator.bgsave()
    connect(f"redis://selfmis:new@127.0.0.1:{kubernetes_redis}").close()
