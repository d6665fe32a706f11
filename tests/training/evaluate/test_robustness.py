"""Noise is as loud as it says, and the same for everybody."""

from pathlib import Path

import numpy as np
import pytest

from shared.signal_to_noise import noise_amplitude, qrs_amplitude
from training.evaluate.data import EvaluationError
from training.evaluate.robustness import SNR_DB, Tape, assessable, read_tapes, variations


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
