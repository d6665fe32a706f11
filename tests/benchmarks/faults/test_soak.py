"""The slope of memory: what grows is seen, what only trembles or takes a step is not taken for growth."""

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.faults.soak import Memory, filled, sample, slope
from shared.redis.connection import Client
from shared.shards import ALERT_BODY, alerts_key, latest_key, trend_key


def looks(
    mb_per_h: float, noise: float, seconds: int = 1200, seed: int = 1, steps: Sequence[tuple[int, float]] = ()
) -> list[tuple[float, float]]:
    """``steps``: at which second so many MB are taken that are not given back."""
    dice = np.random.default_rng(seed)
    begun = 50 * (1 - np.exp(-np.arange(seconds) / 60))  # what every process takes at first
    size = 200 + begun + mb_per_h * np.arange(seconds) / 3600 + dice.normal(0, noise, seconds)
    for at, mb in steps:
        size[at:] += mb
    return list(zip(map(float, range(seconds)), size.tolist(), strict=True))


def test_a_leak_is_seen_through_the_noise() -> None:
    found = slope(looks(30.0, noise=1.0))
    assert found.low < 30.0 < found.high
    assert not found.flat


@pytest.mark.parametrize("seed", range(5))
def test_noise_and_a_warm_up_are_no_leak(seed: int) -> None:
    found = slope(looks(0.0, noise=2.0, seed=seed + 10))
    assert abs(found.mb_per_h) < 5
    assert found.low < 0.5


@pytest.mark.parametrize("mb_per_h", [1.0, 3.5, 300.0])
def test_a_list_that_grows_by_a_megabyte_an_hour_is_seen_in_a_process_that_is_quiet(mb_per_h: float) -> None:
    found = slope(looks(mb_per_h, noise=0.05))
    assert not found.flat
    assert found.low < mb_per_h < found.high


@pytest.mark.parametrize("at", range(400, 1200, 100))
def test_one_step_that_is_kept_is_no_growth(at: int) -> None:
    assert slope(looks(0.0, noise=0.02, steps=[(at, 0.7)])).flat


def test_steps_that_come_again_and_again_are_growth() -> None:
    assert not slope(looks(0.0, noise=0.02, steps=[(at, 0.7) for at in range(0, 1200, 60)])).flat


def test_a_walk_without_direction_is_rarely_taken_for_growth() -> None:
    flat = 0
    for seed in range(200):
        dice = np.random.default_rng(seed)
        walk = 200 + np.cumsum(dice.normal(0, 0.05, 1200))
        flat += slope(list(zip(map(float, range(1200)), walk.tolist(), strict=True))).flat
    assert flat >= 196


def test_what_grew_before_everything_was_full_does_not_count() -> None:
    filling = looks(0.0, noise=0.02)
    filling = [(at, mb + 0.02 * min(at, 800.0)) for at, mb in filling]
    assert not slope(filling).flat
    assert slope(filling, since_s=810.0).flat


@pytest.mark.parametrize(
    ("full_s", "mb_per_h", "good"),
    [(500.0, 0.0, True), (500.0, 30.0, False), (None, 0.0, False), (740.0, 0.0, False)],
)
def test_a_soak_is_good_where_all_was_full_in_time_and_nothing_grew(
    full_s: float | None, mb_per_h: float, good: bool
) -> None:
    memory = Memory(full_s=full_s)
    memory.looks["one"] = looks(0.0, noise=0.02)
    memory.looks["other"] = looks(mb_per_h, noise=0.02)
    soaked = memory.soaked(0.0)
    assert soaked.good is good
    assert soaked.growing == (["other"] if mb_per_h else [])


def test_full_is_full_trends_and_alerts_of_each_shard(client: Client) -> None:
    def share() -> float:
        return filled(client, 2, trend_points=3, alerts_max=2)

    assert share() == 0.0
    for shard in range(2):
        client.hset(latest_key(shard), b"p", b"latest")
        client.rpush(trend_key(shard, b"p"), *[b"point"] * 3)
        client.xadd(alerts_key(shard), {ALERT_BODY: b"{}"})
    client.xadd(alerts_key(0), {ALERT_BODY: b"{}"})
    assert share() == 0.5
    client.xadd(alerts_key(1), {ALERT_BODY: b"{}"})
    assert share() == 1.0
    client.hset(latest_key(1), b"q", b"latest")
    assert share() == pytest.approx(2 / 3)


def test_of_many_patients_some_shards_are_compared_and_of_few_all() -> None:
    assert sample(16, 200_000, seed=1) == list(range(16))
    few = sample(64, 6_000_000, seed=1)
    assert len(few) == 3
    assert few == sample(64, 6_000_000, seed=1) != sample(64, 6_000_000, seed=2)
    assert len(sample(64, 10**9, seed=1)) == 1
