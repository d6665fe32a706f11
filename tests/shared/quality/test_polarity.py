"""Which way up a lead is worn: told by the shape of its mean beat, blind to everything else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.recordings import ptbxl
from benchmarks.synthetic import ecg
from services.ingest.synthetic import case, simulate
from shared.quality import is_upside_down, upside_down
from shared.quality.beats import BEAT
from shared.quality.polarity import LIMITS, WEIGHTS
from shared.signal import SignalError, Windows


@pytest.fixture(scope="module")
def windows() -> Windows:
    return ecg(40, 100_000, np.random.default_rng(3))


@pytest.mark.parametrize("lead", WEIGHTS)
def test_textbook_beats_are_upright_and_their_negatives_are_not(windows: Windows, lead: str) -> None:
    assert not is_upside_down(upside_down(windows, lead), lead).any()
    assert is_upside_down(upside_down(-windows, lead), lead).all()


@pytest.mark.parametrize("kind", ["NORM", "AFIB", "PVC", "STACH"])
def test_simulated_patients_are_upright_whatever_their_rhythm(kind: str) -> None:
    made = np.stack([simulate(case(kind, 5, i), 500, 1000) for i in range(8)]).astype(np.float32)
    odds = upside_down(made, "I")
    assert is_upside_down(odds, "I").sum() <= 1
    assert is_upside_down(-odds, "I").sum() >= 7


@pytest.mark.parametrize("lead", WEIGHTS)
def test_minus_a_window_has_minus_its_log_odds_to_the_bit(windows: Windows, lead: str) -> None:
    np.testing.assert_array_equal(upside_down(-windows, lead), -upside_down(windows, lead))


@settings(deadline=None, max_examples=20)  # no verdict on speed: the machine may be busy
@given(st.permutations(range(40)), st.integers(1, 40))
def test_a_window_does_not_see_its_neighbours(order: list[int], count: int) -> None:
    made = ecg(40, 100_000, np.random.default_rng(3))
    some = order[:count]
    np.testing.assert_array_equal(upside_down(made[some], "I"), upside_down(made, "I")[some])


def test_neither_size_nor_offset_matters(windows: Windows) -> None:
    expected = upside_down(windows, "I")
    np.testing.assert_allclose(upside_down(windows * 3 + np.float32(0.5), "I"), expected, atol=2e-2)


def test_without_a_beat_nothing_is_said() -> None:
    flat = upside_down(np.full((3, 1000), 0.2, np.float32), "II")
    assert not flat.any()
    assert not is_upside_down(flat, "II").any()


def test_a_lead_that_points_either_way_is_refused(windows: Windows) -> None:
    with pytest.raises(SignalError, match="'V1' is cannot be told; of I, II"):
        upside_down(windows, "V1")
    with pytest.raises(SignalError, match="cannot be told"):
        is_upside_down(np.zeros(1), "III")


def test_weights_cover_a_beat_and_limits_are_even_odds_or_more() -> None:
    assert all(len(weights) == BEAT for weights in WEIGHTS.values())
    assert all(LIMITS[lead] >= 0 for lead in WEIGHTS)


@pytest.mark.data
@pytest.mark.parametrize("lead", WEIGHTS)
def test_most_real_records_are_told_the_right_way_up(data_dir: Path, lead: str) -> None:
    made = np.concatenate([each.windows for each in ptbxl(data_dir / "ptbxl", lead, every=20)])
    odds = upside_down(made, lead)
    assert len(made) > 150
    assert is_upside_down(odds, lead).mean() < 0.03
    assert is_upside_down(-odds, lead).mean() > 0.9
