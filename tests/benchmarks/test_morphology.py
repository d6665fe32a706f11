"""The ruler, held against beats whose measures are known."""

import numpy as np
import pytest

from benchmarks.morphology import LEADS, measure

RATE = 100
SECONDS = 10


def known_ecg(*, rr_s: float = 0.8, st_mv: float = 0.0) -> np.ndarray:
    """The same beat in all leads: P 0.1 mV 160 ms before R, R 1 mV, T 0.3 mV 280 ms after R."""
    t = np.arange(SECONDS * RATE) / RATE
    x = np.zeros(t.size)
    for r in np.arange(0.5, SECONDS, rr_s):
        for at, width, size in ((-0.16, 0.020, 0.1), (0.0, 0.012, 1.0), (0.28, 0.04, 0.3)):
            x += size * np.exp(-0.5 * ((t - r - at) / width) ** 2)
        x += st_mv * ((t > r + 0.045) & (t < r + 0.20))
    return np.tile(x, (12, 1))


def test_it_finds_the_waves_where_they_are() -> None:
    ruler = measure(known_ecg(), RATE)
    assert ruler is not None
    values = ruler.values()
    assert values["rr_s"] == pytest.approx(0.8, abs=0.005)
    assert values["p_II"] == pytest.approx(0.1, abs=0.02)
    assert values["r_II"] == pytest.approx(1.0, abs=0.15)
    assert values["t_V5"] == pytest.approx(0.3, abs=0.03)
    assert values["pr_s"] == pytest.approx(0.165, abs=0.03)
    assert values["qrs_s"] == pytest.approx(0.06, abs=0.025)
    assert values["qt_s"] == pytest.approx(0.39, abs=0.04)


def test_it_sees_st_elevation() -> None:
    level, up = measure(known_ecg(), RATE), measure(known_ecg(st_mv=0.2), RATE)
    assert level is not None
    assert up is not None
    assert up.values()["st60_V2"] - level.values()["st60_V2"] == pytest.approx(0.2, abs=0.05)


def test_leads_are_found_by_name_not_by_position() -> None:
    x = known_ecg()
    x[0] *= 2
    names = ["V6", *LEADS[1:-1], "I"]
    ruler = measure(x, RATE, names)
    assert ruler is not None
    assert ruler.values()["r_V6"] == pytest.approx(2 * ruler.values()["r_I"], rel=0.01)


def test_noise_without_beats_is_not_measured() -> None:
    x = np.zeros((12, 1000))
    x[:, 500] = 1
    assert measure(x, RATE) is None
