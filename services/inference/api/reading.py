"""Reading what is committed, for views: every shard's patients, alerts and counters. Redis' edge of the API.

Nothing here is remembered between calls, so any replica answers any request.
"""

import heapq
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.inference.alarms import Status
from services.inference.alarms.slot import NO_TYPE, Slot
from services.inference.alarms.standing import unpack
from services.inference.alarms.watches import Watch
from services.inference.monitor.latest import LATEST
from shared.connection import Client
from shared.labels import SCORE_NAMES
from shared.position import ShardPosition
from shared.quality import REASONS
from shared.shards import (
    ALERT_BODY,
    ALERT_ID,
    alerts_key,
    counters_key,
    dead_letters_key,
    latest_key,
    lease_key,
    position_key,
    shard_of,
    silence_key,
    state_key,
)

OUTCOMES = ("complete", "gapped", "unassessable")
ANY_MI = SCORE_NAMES.index("MI")


@dataclass(frozen=True, slots=True)
class Patients:
    """All patients of whom a window has closed: their names and newest records, side by side."""

    names: tuple[bytes, ...]
    records: np.ndarray[Any, np.dtype[np.void]]

    def by_risk(self) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Rows in order of any-MI, highest first; those without a score come last, by name."""
        risk = np.nan_to_num(self.records["scores"][:, ANY_MI], nan=-1.0)
        return np.lexsort((np.array(self.names), -risk))


def patients(client: Client, shards: int) -> Patients:
    """Everybody's newest window. One round trip; some 80 bytes a patient."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.hgetall(latest_key(shard))
    found = {name: raw for reply in pipe.execute() for name, raw in reply.items() if len(raw) == LATEST.itemsize}
    return Patients(tuple(found), np.frombuffer(b"".join(found.values()), LATEST))


def patient_view(name: bytes, record: np.void) -> dict[str, Any]:
    """A patient's newest window for JSON."""
    scores = record["scores"]
    scored = bool(np.isfinite(scores[ANY_MI]))
    quality = float(record["quality"])
    reasons = int(record["reasons"])
    return {
        "patient": name.decode(),
        "session": str(int(record["session"])),
        "window": int(record["window"]),
        "end_us": int(record["end_us"]),
        "rate_hz": int(record["rate_mhz"]) / 1000,
        "outcome": OUTCOMES[int(record["outcome"])],
        "quality": quality if np.isfinite(quality) else None,
        "rejected_for": [reason.label for reason in REASONS if reasons & int(reason)],
        "any_mi": float(scores[ANY_MI]) if scored else None,
        "scores": dict(zip(SCORE_NAMES, scores.tolist(), strict=True)) if scored else None,
    }


def patient(client: Client, shards: int, name: str) -> dict[str, Any] | None:
    """One patient: the newest window, whether watched, and the alarms in force. None if nobody is so called."""
    key = name.encode()
    shard = shard_of(key, shards)
    pipe = client.pipeline(transaction=False)
    pipe.hget(latest_key(shard), key)
    pipe.hget(state_key(shard), key)
    pipe.hget(silence_key(shard), key)
    raw, state, silence = pipe.execute()
    if raw is None or len(raw) != LATEST.itemsize:
        return None
    view = patient_view(key, np.frombuffer(raw, LATEST)[0])
    slots: list[Slot] = []
    view["status"] = Status.ADMITTED.label
    if state is not None:
        _, standing = unpack(state)
        view["status"] = standing.status.label
        slots += standing.slots
    if silence is not None:
        slots.append(Watch.unpack(key, silence).slot)
    view["alarms"] = [
        {
            "alarm": slot.alarm.hex(),
            "kind": slot.kind.label,
            "phase": slot.phase.label,
            "priority": slot.priority.label,
            "type": "" if slot.type == NO_TYPE else SCORE_NAMES[slot.type],
            "began_us": slot.began_us,
        }
        for slot in slots
        if slot.active
    ]
    return view


def alerts(client: Client, shards: int, limit: int) -> list[dict[str, Any]]:
    """The newest alerts of all shards, newest first, by the time of their commit."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.xrevrange(alerts_key(shard), count=limit)
    return [view for _, view in heapq.nlargest(limit, _alerts(pipe.execute()), key=lambda pair: pair[0])]


def _alerts(replies: list[Any]) -> Iterator[tuple[tuple[int, int, str], dict[str, Any]]]:
    for reply in replies:
        for entry_id, fields in reply:
            milliseconds, _, sequence = entry_id.decode().partition("-")
            view = json.loads(fields[ALERT_BODY])
            view["committed_ms"] = int(milliseconds)
            yield (int(milliseconds), int(sequence), fields[ALERT_ID].decode()), view


def counters(client: Client, shards: int) -> Counter[str]:
    """All committed counters, summed over shards."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.hgetall(counters_key(shard))
    total: Counter[str] = Counter()
    for reply in pipe.execute():
        for name, value in reply.items():
            total[name.decode()] += int(value)
    return total


@dataclass(frozen=True, slots=True)
class Standing:
    """How the shards stand: how many have an owner, commits in all, dead letters kept."""

    shards: int
    owned: int
    commits: int
    dead_letters: int


def standing(client: Client, shards: int) -> Standing:
    """For health: one round trip."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.exists(lease_key(shard))
        pipe.hgetall(position_key(shard))
        pipe.xlen(dead_letters_key(shard))
    replies = pipe.execute()
    owned, positions, dead = replies[::3], replies[1::3], replies[2::3]
    commits = sum(ShardPosition.from_redis(fields).sequence for fields in positions)
    return Standing(shards, sum(owned), commits, sum(dead))
