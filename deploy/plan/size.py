"""From patients to cores, replicas, shards, memory and network: arithmetic over measured costs, nothing else.

Everything is proportional but the number of shards, which is a choice: enough that shares are even and commits
small, no more than their turns pay for.
"""

import math
from dataclasses import dataclass

from deploy.plan.costs import Costs
from shared.frames import frame_bytes
from shared.sections import MonitorSettings, StreamSettings, WindowSettings

# A window's samples, and the seconds for which an entry waits to be read and trimmed.
WINDOW_S, WAITING_S = 10.0, 2.0
MOST_SHARDS = 16384
# Of one Redis: more takes minutes to load again. And what the allocator takes beyond what keys do.
MASTER_GB = 24.0
FRAGMENTATION = 1.2


@dataclass(frozen=True, slots=True)
class Ward:
    """What is to be carried. ``busy``, ``redis_busy``: the share of its time that a core of the monitor, or a
    Redis, should work: the rest is for bursts and for the shards of who has just died."""

    patients: int
    stride_s: float
    rate_hz: float = 100.0
    horizon_s: float = StreamSettings().replay_horizon_s
    pace_s: float = MonitorSettings().pace_s
    lease_s: float = MonitorSettings().lease_s
    shards: int = 0  # as many as `shards_for` says
    copies: int = 1  # replicas of each Redis
    node_cores: int = 16
    busy: float = 0.6
    redis_busy: float = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What it takes. Cores are those that are worked, without the room that ``busy`` leaves; ``replicas`` and
    ``redis_masters`` have that room. Bits and bytes a second are of payload."""

    frames_per_s: float
    windows_per_s: float
    ingest_cores: float
    monitor_cores: float
    model_cores: float
    redis_cores: float
    replicas: int
    nodes: int
    shards: int
    patients_per_shard: float
    shards_per_replica: float
    commits_per_s: float
    windows_per_commit: float
    redis_masters: int
    redis_memory_gb: float
    redis_stream_gb: float
    redis_state_gb: float
    monitor_memory_gb: float
    into_redis_gbit_s: float
    out_of_redis_gbit_s: float
    redis_disk_mb_s: float
    lease_ops_per_s: float
    lease_redis_cores: float
    division_s: float
    take_over_s: float


def size(ward: Ward, costs: Costs) -> Plan:
    """The plan. Frames are of one second each, as the costs are."""
    frames, windows = float(ward.patients), ward.patients / ward.stride_s
    ingest = frames * costs.ingest_frame_us / 1e6
    model = windows * costs.model_window_us / 1e6
    turns_per_s = 1 / max(ward.pace_s, 0.05)  # of each shard

    def monitor_of(shards: int) -> float:
        by_work = frames * costs.monitor_frame_us + windows * costs.monitor_window_us
        return (by_work + shards * turns_per_s * costs.monitor_commit_us) / 1e6

    def replicas_of(shards: int) -> int:
        return max(1, math.ceil((monitor_of(shards) + model) / ward.busy))

    shards = ward.shards or shards_for(ward.patients, 1)
    while not ward.shards and shards < (more := shards_for(ward.patients, replicas_of(shards))):
        shards = more
    monitor, replicas, commits = monitor_of(shards), replicas_of(shards), shards * turns_per_s
    redis = (
        frames * costs.redis_frame_us + windows * costs.redis_window_us + commits * costs.redis_commit_us
    ) / 1e6
    kept_s = ward.horizon_s + WINDOW_S + ward.stride_s + WindowSettings().lateness_s + WAITING_S
    sent = frame_bytes(math.ceil(ward.rate_hz))
    stream_gb = frames * kept_s * sent / 1e9
    state_gb = ward.patients * (costs.state_bytes_per_patient + costs.trend_bytes_per_patient) / 1e9
    memory_gb = (stream_gb + state_gb) * FRAGMENTATION
    into = frames * sent + windows * costs.state_bytes_per_patient
    # Renewals where nothing is committed, at most; and a heartbeat of each replica, five a lease.
    lease_ops = shards / (ward.lease_s / 3) + replicas / (ward.lease_s / 5)
    division = costs.division_s * replicas * shards / costs.division_pairs
    return Plan(
        frames_per_s=frames,
        windows_per_s=windows,
        ingest_cores=ingest,
        monitor_cores=monitor,
        model_cores=model,
        redis_cores=redis,
        replicas=replicas,
        nodes=math.ceil(replicas / ward.node_cores) + (1 if replicas > 1 else 0),  # one may be lost
        shards=shards,
        patients_per_shard=ward.patients / shards,
        shards_per_replica=shards / replicas,
        commits_per_s=commits,
        windows_per_commit=windows / commits,
        redis_masters=max(math.ceil(redis / ward.redis_busy), math.ceil(memory_gb / MASTER_GB), 1),
        redis_memory_gb=memory_gb,
        redis_stream_gb=stream_gb,
        redis_state_gb=state_gb,
        monitor_memory_gb=ward.patients * costs.monitor_bytes_per_patient / 1e9,
        into_redis_gbit_s=into * 8 / 1e9,
        out_of_redis_gbit_s=(frames * sent + into * ward.copies) * 8 / 1e9,
        redis_disk_mb_s=into / 1e6,
        lease_ops_per_s=lease_ops,
        lease_redis_cores=lease_ops * costs.lease_op_us / 1e6,
        division_s=division,
        take_over_s=ward.lease_s + division,
    )


def shards_for(patients: int, replicas: int) -> int:
    """A power of two, from 64: eight a replica, so that shares differ little and a dead one's go to many, and no
    more than a thousand patients in each, as far as there are so many."""
    wanted = max(64, 8 * replicas, patients / 1000)
    return min(MOST_SHARDS, 1 << math.ceil(math.log2(wanted)))


def changes(ward: Ward, plan: Plan) -> list[str]:
    """What a deployment of this size must do that a smaller one need not; docs/scaling.md explains each."""
    said = []
    if plan.redis_masters > 1:
        said.append(
            f"Redis: a Cluster of {plan.redis_masters} masters with {ward.copies} replica(s) each"
            " (redis.url = rediss+cluster://…)"
        )
    if plan.shards != StreamSettings().shards:
        said.append(f"stream.shards = {plan.shards} before the first start: it cannot be changed later")
    if plan.patients_per_shard > WindowSettings().max_patients:
        said.append(
            f"more than {WindowSettings().max_patients:,} patients a shard: raise window.max_patients, or run"
            " several deployments side by side"
        )
    if plan.replicas > 1:
        said.append(f"num_replicas: {plan.replicas}, on nodes of {ward.node_cores} cores: {plan.nodes}")
    if plan.division_s + 1 > ward.lease_s / 2:
        said.append(
            f"monitor.lease_s of at least {2 * math.ceil(plan.division_s + 1)}: dividing the shards anew takes"
            f" {plan.division_s:.1f} s"
        )
    if plan.redis_stream_gb > 20 and ward.horizon_s > 20:
        saved = (
            plan.frames_per_s * frame_bytes(math.ceil(ward.rate_hz)) * (ward.horizon_s - 10) * FRAGMENTATION / 1e9
        )
        said.append(f"stream.replay_horizon_s = 10 saves {saved:,.0f} GB of Redis' memory")
    if ward.patients >= 500_000:
        said.append("several deployments (cells) of some 500,000 patients each: see docs/scaling.md")
    return said
