"""Noise is as loud as it says, and the same for everybody."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared.signal_to_noise import noise_amplitude, qrs_amplitude
from training.evaluate.data import EvaluationError
from training.evaluate.robustness import (
    AS_RECORDED,
    DEVICE_HZ,
    INVERTED,
    LOST,
    LOST_SHARE,
    SNR_DB,
    Condition,
    Tape,
    assessable,
    conditions,
    read_tapes,
    variations,
)


@pytest.fixture(scope="module")
def tape() -> Tape:
    noise = np.random.default_rng(1).normal(size=30_000)
    return Tape("em", ((noise / noise_amplitude(noise, 100_000)).astype(np.float32),))


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    """Five windows of spikes 1 mV tall, one a second."""
    signal = np.zeros((5, 1, 1000), np.float32)
    signal[:, :, 50::100] = 1.0
    return signal


@pytest.mark.parametrize("snr_db", SNR_DB)
def test_the_ratio_of_signal_to_noise_is_the_one_asked_for(tape: Tape, windows: np.ndarray, snr_db: int) -> None:
    noise = tape.added(windows, np.arange(5), snr_db=snr_db, seed=0) - windows
    for number in range(5):
        power = qrs_amplitude(windows[number, 0], 100_000) ** 2 / 8
        ratio = power / noise_amplitude(noise[number, 0], 100_000) ** 2
        assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=1.0)


def test_a_row_meets_the_same_noise_in_every_batch_and_its_windows_stay_untouched(
    tape: Tape, windows: np.ndarray
) -> None:
    before = windows.copy()
    together = tape.added(windows, np.arange(5), snr_db=6, seed=0)
    alone = tape.added(windows[3:4], np.array([3]), snr_db=6, seed=0)
    np.testing.assert_array_equal(together[3], alone[0])
    np.testing.assert_array_equal(windows, before)
    assert (tape.added(windows, np.arange(5), snr_db=6, seed=1) != together).any()


def test_every_kind_comes_at_every_ratio(tape: Tape) -> None:
    assert [(kind, snr) for kind, snr, _ in variations([tape], 0)] == [("em", snr) for snr in SNR_DB]


def test_a_flat_lead_gets_no_noise_and_is_not_assessable(tape: Tape) -> None:
    flat = np.zeros((1, 1, 1000), np.float32)
    assert not tape.added(flat, np.array([0]), snr_db=0, seed=0).any()
    assert not assessable(flat).any()


def test_noise_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"bw\.hea cannot be read"):
        read_tapes(tmp_path)
    (tmp_path / "bw.hea").write_text("nothing\n")
    with pytest.raises(EvaluationError, match="record line"):
        read_tapes(tmp_path)


def test_a_tape_that_is_too_short_is_refused() -> None:
    with pytest.raises(EvaluationError, match="ten seconds"):
        Tape("em", (np.ones(500, np.float32),))


@pytest.mark.data
def test_the_stress_tests_noise_is_read_with_both_channels_at_amplitude_one(data_dir: Path) -> None:
    for found in read_tapes(data_dir / "nstdb"):
        assert len(found.channels) == 2
        for channel in found.channels:
            assert len(channel) == pytest.approx(180_555, abs=5)
            assert noise_amplitude(channel, 100_000) == pytest.approx(1.0, rel=1e-3)


@pytest.fixture(scope="module")
def beats(beating: Callable[..., np.ndarray]) -> np.ndarray:
    """Sixty windows of ordinary beats, each at its own pace."""
    return np.stack([beating(pace=0.6 + 0.01 * i) for i in range(60)]).astype(np.float32)[:, None]


def condition(name: str) -> Condition:
    (found,) = [each for each in conditions(0) if each.name == name]
    return found


def changed(name: str, windows: np.ndarray) -> np.ndarray:
    change = condition(name).change
    assert change is not None
    return change(windows, np.arange(len(windows)))


def test_the_conditions_are_those_of_the_table() -> None:
    rates = [f"from {hertz} Hz" for hertz in DEVICE_HZ]
    assert [each.name for each in conditions(0)] == [AS_RECORDED, *rates, LOST, INVERTED]


@pytest.mark.parametrize("hertz", DEVICE_HZ)
def test_by_way_of_a_device_of_another_rate_beats_come_back_almost_as_they_were(
    beats: np.ndarray, hertz: int
) -> None:
    back = changed(f"from {hertz} Hz", beats)
    assert back.shape == beats.shape
    assert 0 < np.abs(back - beats)[..., 50:-50].max() < 0.05


def test_lost_packets_are_about_as_many_as_said_and_only_they_are_filled(beats: np.ndarray) -> None:
    windows = np.tile(beats, (20, 1, 1))
    share = condition(LOST).missing
    assert share is not None
    missing = share(np.arange(len(windows)))
    assert missing.mean() == pytest.approx(LOST_SHARE, abs=0.01)
    untouched = (changed(LOST, windows) == windows).mean(axis=(1, 2))
    assert (untouched[missing == 0] == 1).all()
    assert (untouched >= 1 - missing - 1e-6).all()
    assert (untouched[missing > 0.05] < 1).all()


def test_windows_that_lack_more_than_windowing_allows_do_not_pass(beats: np.ndarray) -> None:
    assert assessable(beats).mean() > 0.9
    assert not assessable(beats, np.full(len(beats), 0.2, np.float32)).any()
    assert assessable(beats, np.full(len(beats), 0.02, np.float32)).mean() > 0.9


def test_a_swapped_lead_is_the_negative(beats: np.ndarray) -> None:
    np.testing.assert_array_equal(changed(INVERTED, beats), -beats)
