"""The crowd: cheap, varied, and like any source a function of the sample index."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import find_peaks

from services.ingest.synthetic import KINDS, Bank, BankSpec, SimulationError

PEOPLE, LONG = 700, 900


@pytest.fixture(scope="module")
def bank() -> Bank:
    return Bank(BankSpec(PEOPLE, strips=36, seed=3, onsets={5: ("AMI", 3.0), 650: ("IMI", 0.0)}, speed=1000))


@pytest.fixture(scope="module")
def whole(bank: Bank) -> np.ndarray:
    return bank.frames(0, LONG)


@given(st.lists(st.integers(0, LONG), max_size=5), st.lists(st.integers(0, PEOPLE), max_size=4))
@settings(max_examples=15, deadline=None)
def test_any_chunking_in_time_and_over_patients_gives_the_same_bytes(
    bank: Bank, whole: np.ndarray, cuts: list[int], groups: list[int]
) -> None:
    times, people = sorted({0, LONG, *cuts}), sorted({0, PEOPLE, *groups})
    rows = [
        np.concatenate([bank.frames(a, b - a, slice(low, high)) for a, b in itertools.pairwise(times)], axis=1)
        for low, high in itertools.pairwise(people)
    ]
    np.testing.assert_array_equal(np.concatenate(rows), whole)


def test_same_seed_same_bytes_and_another_seed_others() -> None:
    a, b, c = (Bank(BankSpec(20, strips=4, seed=s)).frames(0, 500) for s in (1, 1, 2))
    assert a.tobytes() == b.tobytes() != c.tobytes()


def test_no_two_patients_are_alike_and_none_is_constant(whole: np.ndarray) -> None:
    assert len({row.tobytes() for row in whole}) == PEOPLE
    assert whole.std(axis=1).min() > 3


def test_a_patient_does_not_repeat_itself(bank: Bank) -> None:
    x = bank.frames(0, 60_000, slice(0, 1))[0].reshape(-1, 1000)
    assert len({row.tobytes() for row in x}) == len(x)


def test_signals_are_of_an_ecg_s_size_and_never_wrap(bank: Bank) -> None:
    fine = Bank(BankSpec(200, strips=18, uv_per_lsb=1.0)).frames(0, 3000)
    assert 300 < np.median(fine.max(axis=1)) < 2500
    assert np.abs(np.diff(fine.astype(int), axis=1)).max() < 6000


def test_heart_rates_are_human_and_differ() -> None:
    crowd = Bank(BankSpec(60, strips=30, rate_mhz=250_000, mix={"NORM": 1.0})).frames(0, 5000).astype(float)
    rates = [3 * len(find_peaks(row, height=0.5 * np.percentile(row, 99.8), distance=80)[0]) for row in crowd]
    assert 55 < np.median(rates) < 90
    assert np.std(rates) > 4


def test_strips_are_closed_without_a_step() -> None:
    """Over a ring's seam no sample jumps more than the steepest slope elsewhere."""
    x = Bank(BankSpec(12, strips=12, rate_mhz=512_000, mix={"NORM": 1.0})).frames(0, 40_000).astype(int)
    steps = np.abs(np.diff(x, axis=1))
    quiet = np.partition(steps, -200, axis=1)[:, -200]
    assert np.all(steps.max(axis=1) < 6 * quiet)


def test_the_mix_is_kept_exactly() -> None:
    bank = Bank(BankSpec(1000, strips=40, mix={"NORM": 0.9, "IMI": 0.08, "AFIB": 0.02}))
    counts = {kind: bank.kinds.count(kind) for kind in KINDS if kind in bank.kinds}
    assert counts == {"NORM": 900, "IMI": 80, "AFIB": 20}


def test_an_onset_changes_that_patient_alone_and_from_then_on(bank: Bank, whole: np.ndarray) -> None:
    without = Bank(BankSpec(PEOPLE, strips=36, seed=3)).frames(0, LONG)
    others = np.delete(np.arange(PEOPLE), [5, 650])
    np.testing.assert_array_equal(whole[others], without[others])
    assert [(e.label, e.start_s, e.stop_s) for e in bank.truth(5)] == [("NORM", 0, 3.0), ("AMI", 3.0, math.inf)]
    assert [e.label for e in bank.truth(650)] == ["IMI"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"patients": 0}, "at least one"),
        ({"rate_mhz": 10}, "50 to 1000"),
        ({"lead": "X"}, "lead 'X'"),
        ({"uv_per_lsb": 0.1}, "µV per LSB"),
        ({"mix": {"HEALTHY": 1}}, "HEALTHY"),
        ({"mix": {"NORM": 0}}, "share above 0"),
        ({"onsets": {9: ("IMI", 0)}}, "patient 9"),
        ({"onsets": {1: ("AFIB", 0)}}, "MI type"),
    ],
)
def test_an_impossible_bank_is_refused(wrong: dict, says: str) -> None:
    with pytest.raises(SimulationError, match=says):
        BankSpec(**({"patients": 5} | wrong))
