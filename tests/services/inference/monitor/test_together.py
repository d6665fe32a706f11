"""Shards in one room go through a step together: each commits what it would have committed alone."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.inference.commit.facts import Facts, Kind
from services.inference.commit.reader import Entry, Pulled
from services.inference.engine import score
from services.inference.monitor.decoding import decoded
from services.inference.monitor.offline import NOTHING_COMMITTED
from services.inference.monitor.shard import Room, Shard, ShardRules, conclude_together, place_together
from services.ingest.synthetic.bank import Bank, BankSpec
from shared.frames import Frames, encode, headers
from shared.labels import SCORE_NAMES
from shared.settings import load

SHARDS, PATIENTS, SECONDS = 3, 5, 45
START_MS = 1_700_000_000_000


def tall(windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A model that is alarmed by every other height."""
    rank = np.rint(windows.max(axis=1) * 1000).astype(np.int64) % 2
    return np.repeat(rank[:, None] * np.float32(0.8) + np.float32(0.1), len(SCORE_NAMES), axis=1)


def batch(bank: Bank, shard: int, second: int, dice: np.random.Generator) -> bytes:
    """A second of those patients of a shard whose frame is not lost."""
    frame = headers(PATIENTS)
    frame["patient"] = [f"patient-{i}".encode() for i in range(PATIENTS)]
    frame["session"], frame["session_start_us"] = 7 + shard, START_MS * 1000
    frame["rate_mhz"], frame["uv_per_lsb"], frame["first"] = 100_000, 4.0, 100 * second
    samples = bank.frames(100 * second, 100, slice(shard * PATIENTS, (shard + 1) * PATIENTS))
    kept = dice.random(PATIENTS) < 0.98
    kept[0] |= not kept.any()
    return encode(Frames(frame[kept], samples[kept]))


def text(facts: Facts) -> tuple[object, ...]:
    """All of them; zeros in counters say nothing."""
    counters = {name: amount for name, amount in facts.counters.items() if amount}
    alerts = sorted((alert.id, alert.body) for alert in facts.alerts)
    return facts.offset, facts.rewind, facts.patients, counters, alerts, facts.audit, facts.dead, facts.trend


def pulled(numbers: Sequence[int], entries: Sequence[Sequence[Entry]]) -> list[Pulled]:
    return [Pulled(shard, tuple(some), ()) for shard, some in zip(numbers, entries, strict=True)]


def test_what_shards_commit_is_the_same_together_and_alone() -> None:
    overrides = ["alarm.on_windows=1", "alarm.of_windows=2", "alarm.off_windows=2", "alarm.smoothing=1"]
    rules = ShardRules.of(load(environ={}, overrides=overrides).settings)
    bank, dice = Bank(BankSpec(SHARDS * PATIENTS, strips=8, seed=3)), np.random.default_rng(3)
    room = Room.of(rules)
    together = [Shard(i, rules, NOTHING_COMMITTED, room) for i in range(SHARDS)]
    alone = [Shard(i, rules, NOTHING_COMMITTED) for i in range(SHARDS)]
    waiting: list[list[Entry]] = [[] for _ in range(SHARDS)]
    kinds: set[str] = set()
    for second in range(SECONDS):
        for shard in range(SHARDS):
            data = batch(bank, shard, second, dice)
            waiting[shard].append(Entry(f"{START_MS + 1000 * second}-{shard}", data, counted=True))
        some = np.flatnonzero(dice.random(SHARDS) < 0.5).tolist()
        if not some:
            continue
        read = decoded(pulled(some, [waiting[i] for i in some]), rules.most_bytes)
        placed = place_together([(together[i], each) for i, each in zip(some, read, strict=True)])
        (scored,) = score([placed[0].step.cut], tall)
        held = list(zip((together[i] for i in some), placed, strict=True))
        for i, each, facts in zip(some, read, conclude_together(held, scored, "m:1"), strict=True):
            own = alone[i].place(each)
            (own_scored,) = score([own.step.cut], tall)
            assert text(facts) == text(alone[i].conclude(own, own_scored, "m:1"))
            kinds |= {"alerts"} if facts.alerts else set()
            kinds |= {kind.name for kind in Kind if facts.patients.get(kind)} | (
                {"trend"} if facts.trend else set()
            )
            waiting[i].clear()
    assert kinds >= {"alerts", "trend", "MARK", "STATE", "LATEST"}, "too little happened to prove anything"
