"""The quality gate: good signal passes, each fault is named, an arrhythmia is no fault."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.synthetic import ecg
from shared.errors import SelfmisError
from shared.quality import REASON_LABELS, REASONS, Limits, Reason, assess, clipped_share
from shared.signal import WINDOW_SAMPLES, SignalError, bandpass

COUNT = 40


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def clean(random) -> np.ndarray:
    return ecg(COUNT, 100_000, random)


def named(windows, **kwargs) -> set[str]:
    """Main reasons over a batch; 'accepted' where there is none."""
    quality = assess(windows, **kwargs)
    mains = [quality.main_reason(row) for row in range(len(quality))]
    return {"accepted" if reason is None else reason.label for reason in mains}


def test_a_clean_ecg_is_accepted_with_a_high_score(clean):
    quality = assess(clean)
    assert quality.accept.all()
    assert quality.score.min() > 0.6
    assert not quality.reasons.any()


def test_the_rate_is_that_of_the_beats(random):
    windows = ecg(1, 100_000, random, rr_spread=0.0)
    peaks = np.flatnonzero((windows[0, 1:-1] > 0.6) & (np.diff(np.sign(np.diff(windows[0]))) < 0))
    assert assess(windows).rate_bpm[0] == pytest.approx(6000 / np.median(np.diff(peaks)), rel=0.05)


def test_too_many_missing_samples_are_named(clean):
    shares = np.full(COUNT, 0.11)
    assert named(clean, missing=shares) == {"missing"}
    assert named(clean, missing=np.full(COUNT, 0.05)) == {"accepted"}


def test_a_free_electrode_is_lead_off_and_not_merely_flat(clean):
    stuck = clean.copy()
    stuck[:, 400:800] = stuck[:, 400:401]
    assert named(stuck) == {"lead_off"}
    assert named(np.full((2, WINDOW_SAMPLES), 3.2, np.float32)) == {"lead_off"}


def test_a_live_trace_without_deflections_is_flat_and_not_lead_off(random):
    assert named(0.01 * random.standard_normal((COUNT, WINDOW_SAMPLES))) == {"flat"}


def test_a_signal_that_rests_on_the_rail_is_clipped(clean):
    assert named(np.clip(clean * 3, -0.3, 0.5)) == {"clipped"}


def test_clipping_seen_by_the_device_counts(clean):
    assert named(clean, clipped=np.full(COUNT, 0.05)) == {"clipped"}


def test_the_device_s_own_samples_show_their_clipping(random):
    device = ecg(COUNT, 500_000, random)
    assert clipped_share(device).max() == 0
    assert clipped_share(np.clip(device, -2, 0.4)).min() > 0.01


def test_muscle_noise_is_high_frequency(clean, random):
    reasons = assess(clean + 0.3 * random.standard_normal(clean.shape)).reasons
    assert (reasons & Reason.HIGH_FREQUENCY).all()


def test_a_wandering_baseline_is_forgiven_until_it_is_absurd(clean):
    wander = np.sin(2 * np.pi * 0.15 * np.arange(WINDOW_SAMPLES) / 100)
    assert named(clean + wander) == {"accepted"}
    assert (assess(clean + 40 * wander).reasons & Reason.BASELINE).all()


def test_a_burst_is_an_artefact(clean):
    burst = clean.copy()
    burst[:, 300:306] += np.float32(40)
    assert (assess(burst).reasons & Reason.ARTEFACT).all()


@pytest.mark.parametrize("colour", ["white", "walk"])
def test_noise_alone_is_refused(colour, random):
    noise = random.standard_normal((200, WINDOW_SAMPLES))
    assert not assess(noise if colour == "white" else 0.1 * noise.cumsum(axis=1)).accept.any()


def test_a_smooth_wave_without_beats_is_refused():
    wave = np.sin(2 * np.pi * 1.3 * np.arange(WINDOW_SAMPLES) / 100)[None]
    assert assess(wave).reasons[0] & Reason.NO_BEATS


def test_a_rhythm_as_irregular_as_atrial_fibrillation_is_accepted(random):
    quality = assess(ecg(COUNT, 100_000, random, rr_spread=0.25))
    assert quality.accept.mean() > 0.95


def test_every_third_beat_ectopic_is_accepted(random):
    """Early, wide, inverted beats with a pause after them, a third of all."""
    time = np.arange(WINDOW_SAMPLES) / 100
    windows = np.zeros((COUNT, WINDOW_SAMPLES))
    for i in range(COUNT):
        at, beat, interval = random.uniform(0.1, 0.9), 0, random.uniform(0.7, 1.0)
        while at < 10:
            ectopic = beat % 3 == 2
            windows[i] += (-0.9 if ectopic else 0.8) * np.exp(
                -(((time - at) / (0.035 if ectopic else 0.012)) ** 2) / 2
            )
            windows[i] += (0.3 if ectopic else 0.2) * np.exp(-(((time - at - 0.28) / 0.05) ** 2) / 2)
            at += interval * (1.35 if ectopic else 0.65 if beat % 3 == 1 else 1)
            beat += 1
        windows[i] += 0.01 * random.standard_normal(WINDOW_SAMPLES)
    assert assess(windows).accept.mean() > 0.95


def test_a_window_that_is_not_finite_counts_as_missing_and_spoils_no_other(clean):
    broken = clean.copy()
    broken[3, 5], broken[9, 7] = np.nan, np.inf
    quality, whole = assess(broken), assess(clean)
    kept = np.setdiff1d(np.arange(COUNT), [3, 9])
    assert {quality.main_reason(3), quality.main_reason(9)} == {Reason.MISSING}
    assert np.array_equal(quality.score[kept], whole.score[kept])


@pytest.mark.parametrize("batch", [1, 17, 64, 100])
def test_a_row_is_bit_equal_in_any_batch_and_order(batch, random):
    windows = ecg(150, 100_000, random) + (0.2 * random.random((150, 1)) * random.standard_normal((150, 1000)))
    whole, order = assess(windows), random.permutation(150)
    for quality, rows in ((assess(windows[:batch]), slice(batch)), (assess(windows[order]), order)):
        for field in ("excess", "score", "reasons", "accept", "rate_bpm"):
            assert np.array_equal(getattr(quality, field), getattr(whole, field)[rows])


def test_the_band_passed_windows_may_be_handed_in(clean):
    assert np.array_equal(assess(clean, bandpassed=bandpass(clean)).excess, assess(clean).excess)


@settings(deadline=None)  # no verdict on speed: the machine may be busy
@given(arrays(np.float32, (2, WINDOW_SAMPLES), elements=st.floats(-400, 400, width=32)))
def test_any_finite_window_gets_a_finite_consistent_verdict(windows):
    quality = assess(windows)
    assert np.isfinite(quality.excess).all()
    assert np.isfinite(quality.rate_bpm).all()
    assert ((quality.score >= 0) & (quality.score <= 1)).all()
    assert np.array_equal(quality.accept, quality.score >= 0.5)
    assert np.array_equal(quality.accept, quality.reasons == 0)


def test_more_noise_never_raises_the_mean_score(clean, random):
    noise = random.standard_normal(clean.shape)
    scores = [assess(clean + level * noise).score.mean() for level in (0, 0.02, 0.05, 0.1, 0.2, 0.4)]
    assert scores == sorted(scores, reverse=True)


def test_no_windows_give_no_verdicts():
    assert len(assess(np.zeros((0, WINDOW_SAMPLES)))) == 0


@pytest.mark.parametrize("shares", [[0.1], [1.5] * COUNT, [-0.1] * COUNT])
def test_shares_that_cannot_be_are_refused(clean, shares):
    with pytest.raises(SignalError, match="missing must be one share"):
        assess(clean, missing=shares)


def test_a_limit_of_zero_is_refused():
    with pytest.raises(SelfmisError, match="template"):
        Limits(template=0)


def test_the_names_of_the_reasons_stay_as_metrics_know_them():
    assert REASON_LABELS == (
        "missing",
        "lead_off",
        "flat",
        "clipped",
        "baseline",
        "artefact",
        "high_frequency",
        "no_beats",
        "implausible_rate",
        "disagreement",
        "irregular_template",
    )
    assert [int(reason) for reason in REASONS] == [1 << i for i in range(11)]
