"""A master dies with a tail that its replica never had: Sentinels promote the replica, and all is exact again."""

from pathlib import Path
from typing import Any

from redis import Redis

from shared.artefact import Model
from shared.redis.embedded import find_executable
from shared.shards import stream_key
from tests.deploy.machines import Machine, Network
from tests.deploy.ward import PORT, Ward, redis_on

SENTINEL_PORT = 26379
CUT_S = 2.0


def sentinel_on(machine: Machine, folder: Path, master: str) -> None:
    """A Sentinel there that watches over that master, two of which agree that it is dead."""
    folder.mkdir()
    config = folder / "sentinel.conf"
    config.write_text(
        f"bind {machine.address}\n"
        f"port {SENTINEL_PORT}\n"
        "protected-mode no\n"
        f"sentinel monitor ward {master} {PORT} 2\n"
        "sentinel down-after-milliseconds ward 2000\n"
        "sentinel failover-timeout ward 3000\n",
        encoding="utf-8",
    )
    command = [str(find_executable()), str(config), "--sentinel", "--dir", str(folder)]
    machine.run(folder.name, lambda: command)


def direct(machine: Machine) -> Redis:
    """A client of the Redis there, master or not."""
    return Redis(host=machine.address, port=PORT, socket_timeout=5.0, socket_connect_timeout=5.0)


def ids(machine: Machine, shards: int) -> set[tuple[int, bytes]]:
    """Of all entries in the Redis there."""
    with direct(machine) as client:
        return {(shard, entry) for shard in range(shards) for entry, _ in client.xrange(stream_key(shard))}


def role(machine: Machine) -> str:
    """Of the Redis there."""
    with direct(machine) as client:
        return str(client.info("replication")["role"])


def linked(machine: Machine) -> bool:
    """Whether the Redis there follows its master."""
    with direct(machine) as client:
        return bool(client.info("replication").get("master_link_status") == "up")


def ready(watcher: Machine) -> bool:
    """Whether the Sentinel there knows the replica and both others: it asks a master for them every 10 s only."""
    with Redis(host=watcher.address, port=SENTINEL_PORT, socket_timeout=5.0) as client:
        state: Any = client.sentinel_master("ward")
    return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == 2)


def test_a_fail_over_that_loses_what_was_confirmed_last_changes_nothing(
    net: Network, tmp_path: Path, model: Model
) -> None:
    old, new = net.machine("old"), net.machine("new")
    redis_on(old, tmp_path / "old")
    redis_on(new, tmp_path / "new", "--replicaof", old.address, str(PORT))
    watchers = [net.machine(name) for name in ("watcher", "second", "third")]
    for number, watcher in enumerate(watchers):
        sentinel_on(watcher, tmp_path / f"sentinel{number}", old.address)
    url = f"redis+sentinel://{','.join(watcher.address for watcher in watchers)}/ward"
    ward = Ward(net, tmp_path, model, url, seconds=22, patients=60, shards=4)
    ward.until(lambda: linked(new), "a replica")
    ward.until(lambda: all(map(ready, watchers)), "Sentinels that know each other and the replica")
    ward.replica_on(watchers[0], "monitor")
    ward.until(lambda: ward.shared_by(1), "the monitor owns all shards")
    ward.stream()
    ward.until(lambda: len(ids(new, 4)) > 40, "the first seconds of the stream")

    new.cut()
    ward.sleep(CUT_S)
    had = ids(old, 4)
    old.kill()
    new.mend()
    ward.until(lambda: role(new) == "master", "the replica is promoted")
    lost = had - ids(new, 4)
    assert lost  # the master had confirmed them

    verdict = ward.verdict()
    assert verdict.good, verdict
