"""The sender against a real Redis Cluster of three masters, one of which is killed and comes back."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.consumer import Consumer, Coverage
from services.ingest.parcel import Parcel
from services.ingest.sender import Sender
from shared.frames import Frames, headers
from shared.redis.connection import Client, connect
from shared.redis.local import local_client, process_exists
from shared.settings import load
from shared.shards import stream_key
from tests.waiting import until

SHARDS = 16


def parcel(index: int, patients: int = 60, count: int = 50) -> Parcel:
    header = headers(patients)
    header["patient"] = [f"p{i}".encode() for i in range(patients)]
    header["session"] = 1
    header["first"] = index * count
    header["rate_mhz"] = 250_000
    header["uv_per_lsb"] = 1.0
    return Parcel.address(Frames(header, np.zeros((patients, count), np.int16)), SHARDS)


def consumed(client: Client) -> Coverage:
    """Everything in the streams, read shard by shard: one XREAD may not name keys of several slots."""
    coverage = Coverage()
    consumers = [Consumer(client, [shard], coverage=coverage) for shard in range(SHARDS)]
    while sum(consumer.step() for consumer in consumers):
        pass
    return coverage


@pytest.fixture
def cluster(cluster_port: int) -> Iterator[Client]:
    """A client of the cluster, emptied."""
    with connect(f"redis+cluster://127.0.0.1:{cluster_port}") as client:
        client.flushall(target_nodes="primaries")
        yield client
        client.flushall(target_nodes="primaries")


@pytest.fixture
def sender(cluster_port: int, cluster: Client) -> Iterator[Sender]:
    overrides = ["ingest.upkeep_s=0.05", "redis.timeout_s=1", "stream.replay_horizon_s=0"]
    made = Sender(
        f"redis+cluster://127.0.0.1:{cluster_port}", load(environ={}, overrides=overrides).settings, shards=SHARDS
    )
    made.start()
    yield made
    made.close()


def test_frames_reach_every_master_once_and_in_order(sender: Sender, cluster: Client) -> None:
    for index in range(30):
        sender.offer(parcel(index), 0.0)
    assert sender.flush(20)
    seen = consumed(cluster)
    assert seen.holes() == {}
    assert seen.newest() == {(f"p{i}".encode(), 1): 30 * 50 for i in range(60)}
    assert seen.repeated() == 0
    assert sender.tally.reconnects == 0, "masters that are met for the first time are no restarted servers"


def test_streams_of_every_master_are_trimmed(sender: Sender, cluster: Client) -> None:
    for index in range(120):
        sender.offer(parcel(index), 0.0).result(10)
    consumed(cluster)
    until(lambda: all(cluster.xlen(stream_key(shard)) < 120 for shard in range(SHARDS)), "all are trimmed")
    assert sender.tally.readings.lag_s is not None
    assert sender.tally.redis_memory_bytes > 3 << 19, "the memory of three masters"


def test_a_killed_and_restarted_master_has_every_frame_in_the_end(
    sender: Sender, cluster: Client, start_redis: Callable[..., int]
) -> None:
    port = cluster.get_node_from_key(stream_key(0)).port  # type: ignore[union-attr]  # a cluster client
    with local_client(port, timeout_s=5) as node:
        node.config_set("appendonly", "yes")
        until(lambda: not node.info()["aof_rewrite_in_progress"], "the append-only file")
        pid, folder = node.info()["process_id"], Path(node.config_get("dir")["dir"])
    for index in range(150):
        sender.offer(parcel(index), 0.0)
        if index == 50:
            os.kill(pid, signal.SIGKILL)
            until(lambda: not process_exists(pid), "the killed master is gone")
        if index == 100:
            start_redis("--cluster-enabled", "yes", "--appendonly", "yes", port=port, folder=folder)
        time.sleep(0.002)
    assert sender.flush(30)
    seen = consumed(cluster)
    assert seen.holes() == {}
    assert set(seen.newest().values()) == {150 * 50}
    assert sender.tally.reconnects == 1
