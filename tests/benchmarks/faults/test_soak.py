"""The slope of memory: what grows is seen, what only trembles is not taken for growth."""

import numpy as np
import pytest

from benchmarks.faults.soak import slope


def looks(mb_per_h: float, noise: float, seconds: int = 1200, seed: int = 1) -> list[tuple[float, float]]:
    dice = np.random.default_rng(seed)
    begun = 50 * (1 - np.exp(-np.arange(seconds) / 60))  # what every process takes at first
    size = 200 + begun + mb_per_h * np.arange(seconds) / 3600 + dice.normal(0, noise, seconds)
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
