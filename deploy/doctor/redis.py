"""Redis: does it keep what it is given, has it room, does it answer quickly, does its clock agree with ours?

Judgements are pure, over what servers say; `examine_redis` asks them.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Any

from redis import Redis, RedisCluster
from redis.exceptions import RedisError
from redis.sentinel import SentinelConnectionPool

from deploy.doctor.finding import Finding, fault, ok, skipped, warning
from shared.pinning import LAYOUT_VERSION, Layout, LayoutMismatch, agreed
from shared.redis.connection import Client
from shared.redis.server import ServerInfo
from shared.shards import LAYOUT_KEY

PINGS = 50
SLOW_MS, TOO_SLOW_MS = 5.0, 50.0
SKEW_S, TOO_SKEWED_S = 1.0, 60.0
FULL, NEARLY_FULL = 0.95, 0.80
# Replicas tell once a second how far they are and a master looks once a second: so much later than its
# min-replicas-max-lag it may still confirm.
LAG_SEEN_S = 2.0

Info = Mapping[str, Any]


def judge_server(info: Info, append_fsync: str | None, place: str) -> Iterator[Finding]:
    """One server that takes writes, by its ``INFO`` and, where it may be asked, its ``appendfsync``."""
    server = ServerInfo.parse(info)
    yield ok("redis version", f"{place}: {server.name}")
    yield _persistence(info, append_fsync, place)
    yield _memory(server, info, place)
    if int(info.get("evicted_keys", 0)):
        yield fault(
            "redis eviction",
            f"{place}: {info['evicted_keys']} keys were evicted: samples, states or alarms are gone",
            "set maxmemory-policy noeviction, give it memory, and take what is since its start as incomplete",
        )


def judge_replication(
    info: Info, max_lag_s: int | None, place: str, *, keep_s: float, watched: bool, takes_over: bool
) -> Finding | None:
    """Its replicas; None where it has none and nobody counts on one.

    ``max_lag_s``: its ``min-replicas-max-lag``, None where it may not be asked. ``keep_s``: how long senders keep
    what was confirmed. ``watched``: Sentinels promote a replica; ``takes_over``: they or the cluster do.
    """
    check, replicas = "redis replication", int(info.get("connected_slaves", 0))
    in_step = info.get("min_slaves_good_slaves")  # only told where both min-replicas settings are above 0
    if in_step is not None and not int(in_step):
        return warning(
            check,
            f"{place}: min-replicas-to-write asks for replicas in step and none is",
            "look at the replicas' links; writes are refused meanwhile",
        )
    if watched and not replicas:
        return warning(
            check,
            f"{place}: Sentinels watch over it, but no replica follows it: nobody can take over",
            "start a replica, better two, or see why theirs are gone",
        )
    if takes_over and replicas and in_step is None:
        return warning(
            check,
            f"{place}: no min-replicas-to-write, or min-replicas-max-lag 0: cut off, it confirms what its"
            " successor never gets",
            "set min-replicas-to-write 1 and min-replicas-max-lag 2 on master and replicas, and have two replicas",
        )
    if takes_over and replicas and max_lag_s is not None and max_lag_s + LAG_SEEN_S > keep_s:
        return warning(
            check,
            f"{place}: min-replicas-max-lag {max_lag_s}: cut off, it confirms for {max_lag_s + LAG_SEEN_S:g} s"
            f" what its successor never gets, and senders keep only the last {keep_s:g} s (ingest.keep_s)",
            "set min-replicas-max-lag 2 on master and replicas, and leave ingest.keep_s at 5 s or more",
        )
    if not replicas:
        return None
    lag = "" if max_lag_s is None else f" within {max_lag_s} s"
    return ok(check, f"{place}: followed by {replicas}" + ("" if in_step is None else f", {in_step} in step{lag}"))


def _persistence(info: Info, append_fsync: str | None, place: str) -> Finding:
    check = "redis persistence"
    if int(info.get("aof_enabled", 0)):
        bad = [
            key for key in ("aof_last_write_status", "aof_last_bgrewrite_status") if info.get(key, "ok") != "ok"
        ]
        if bad:
            return fault(
                check, f"{place}: {bad[0]} is {info[bad[0]]}", "its disk is full or broken: look at its log"
            )
        if append_fsync == "no":
            return warning(
                check,
                f"{place}: appendfsync no: a power cut loses what was not yet written, up to half a minute",
                "CONFIG SET appendfsync everysec: senders make good the second that this may lose",
            )
        how = f", appendfsync {append_fsync}" if append_fsync else ""
        return ok(check, f"{place}: append-only file{how}")
    saves = info.get("rdb_last_bgsave_status", "ok")
    if saves != "ok":
        return fault(
            check,
            f"{place}: no append-only file, and its last snapshot failed, so it may refuse writes",
            "CONFIG SET appendonly yes, and look at its disk",
        )
    return fault(
        check,
        f"{place}: no append-only file: a restart loses alarms and states since the last snapshot, if any",
        "set appendonly yes and appendfsync everysec (CONFIG SET works at once; write it into redis.conf too)",
    )


def _memory(server: ServerInfo, info: Info, place: str) -> Finding:
    check = "redis memory"
    used = f"{server.used_memory / 2**20:,.0f} MiB"
    if server.maxmemory_policy != "noeviction" and server.maxmemory_policy:
        return fault(
            check,
            f"{place}: maxmemory-policy {server.maxmemory_policy}: a full Redis would forget patients silently",
            "CONFIG SET maxmemory-policy noeviction: then ingest holds back instead",
        )
    if not server.maxmemory:
        total = int(info.get("total_system_memory", 0))
        of = f" of {total / 2**30:,.0f} GiB in the machine" if total else ""
        return warning(
            check,
            f"{place}: no maxmemory ({used} used{of}): ingest cannot see it fill up, the system kills it instead",
            "CONFIG SET maxmemory to two thirds of what the machine or pod has",
        )
    share = server.used_memory / server.maxmemory
    said = f"{place}: {used}, {share:.0%} of maxmemory"
    if share >= FULL:
        return fault(check, said, "it is full: raise maxmemory, shorten stream.replay_horizon_s, or see who lags")
    if share >= NEARLY_FULL:
        return warning(check, said, "raise maxmemory or shorten stream.replay_horizon_s before ingest holds back")
    return ok(check, said)


def judge_latency(milliseconds: list[float], place: str) -> Finding:
    """Round trips of an empty command."""
    middle, worst = median(milliseconds), max(milliseconds)
    said = f"{place}: {middle:.2f} ms a round trip, {worst:.1f} ms at worst"
    do = (
        "bring monitor and Redis nearer to each other; look for slow commands (SLOWLOG GET), swapping, a busy host"
    )
    if middle > TOO_SLOW_MS:
        return fault("redis latency", said, do)
    if middle > SLOW_MS:
        return warning("redis latency", said, do)
    return ok("redis latency", said)


def judge_clock(skew_s: float, place: str) -> Finding:
    """``skew_s``: Redis' clock less ours. Leases do not mind; session starts and people who compare times do."""
    said = f"{place}: its clock is {abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    do = "run a time service (chrony, systemd-timesyncd) on both machines"
    if abs(skew_s) > TOO_SKEWED_S:
        return fault("redis clock", said, do + ": sessions that seem to begin in the future are refused")
    if abs(skew_s) > SKEW_S:
        return warning("redis clock", said, do)
    return ok("redis clock", said)


def judge_layout(stored: bytes | None, shards: int) -> Finding:
    """What is pinned against what the settings ask for."""
    if stored is None:
        return ok("layout", f"nothing has been started on this Redis yet; the first start pins {shards} shards")
    try:
        agreed(stored, Layout(LAYOUT_VERSION, shards))
    except LayoutMismatch as error:
        return fault(
            "layout", str(error), "use the settings that this Redis was first started with (stream.shards)"
        )
    return ok("layout", f"{shards} shards, as pinned")


def examine_redis(client: Client, shards: int, keep_s: float) -> Iterable[Finding]:
    """Every server that takes writes, and the layout; ``shards`` and ``keep_s`` as the settings have them."""
    if isinstance(client, RedisCluster):
        state = dict(client.cluster_info())
        if state.get("cluster_state") != "ok":
            yield fault(
                "redis cluster",
                f"cluster_state is {state.get('cluster_state')}, {state.get('cluster_slots_ok')} slots are served",
                "redis-cli --cluster check: bring back the masters that are gone, or fail over to their replicas",
            )
        for node in client.get_primaries():  # type: ignore[no-untyped-call]  # redis-py left it untyped
            yield from _server(client, node.name, {"target_nodes": node}, keep_s)
    else:
        yield from _server(client, "Redis", {}, keep_s)
    stored: Any = client.get(LAYOUT_KEY)
    yield judge_layout(stored, shards)


def _server(client: Client, place: str, at: dict[str, Any], keep_s: float) -> Iterator[Finding]:
    info: Info = client.info("everything", **at)
    append_fsync, max_lag_s = None, None
    try:
        append_fsync = client.config_get("appendfsync", **at).get("appendfsync")
        longest = client.config_get("min-replicas-max-lag", **at).get("min-replicas-max-lag")
        max_lag_s = None if longest is None else int(longest)
    except RedisError:  # users of ours need not be allowed to
        yield skipped(
            "redis settings",
            f"{place}: this user may not ask for settings, so appendfsync and min-replicas-max-lag are not known",
        )
    yield from judge_server(info, append_fsync, place)
    watched = isinstance(client, Redis) and isinstance(client.connection_pool, SentinelConnectionPool)
    takes_over = watched or isinstance(client, RedisCluster)
    replication = judge_replication(info, max_lag_s, place, keep_s=keep_s, watched=watched, takes_over=takes_over)
    if replication is not None:
        yield replication
    trips = []
    for _ in range(PINGS):
        begun = time.perf_counter()
        client.ping(**at)
        trips.append((time.perf_counter() - begun) * 1e3)
    yield judge_latency(trips, place)
    before = time.time()
    told: Any = client.time(**at)
    after = time.time()
    seconds, micros = told
    yield judge_clock(seconds + micros / 1e6 - (before + after) / 2, place)
