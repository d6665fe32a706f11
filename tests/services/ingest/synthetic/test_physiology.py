"""What a cardiologist would look for, in averaged noise-free beats of several simulated people."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from services.ingest.synthetic import LEADS, Patient, PatientSpec, TwelveLeads
from shared.labels import MI_CODES

RATE = 500
PEOPLE = range(5)
HOUR = 3600.0
R = 200  # sample of the R peak in `beat`

Beat = dict[str, npt.NDArray[np.float64]]


def spec_of(kind: str, patient: int, **changes: object) -> PatientSpec:
    return replace(PatientSpec(kind, seed=11, patient=patient, rate_mhz=RATE * 1000, noise=0), **changes)


def beat(spec: PatientSpec, seconds: int = 12) -> Beat:
    """The median beat of each lead, 0.4 s before to 0.8 s after R, the PR segment at zero."""
    source = TwelveLeads(spec)
    x = source.samples(0, seconds * RATE).astype(np.float64)
    at = np.rint(source.beat_times(R, (seconds - 1) * RATE - R) * RATE).astype(int)
    middle = np.median(np.stack([x[:, r - R : r + 400] for r in at]), axis=0)
    middle -= np.median(middle[:, R - 45 : R - 35], axis=1, keepdims=True)
    return dict(zip(LEADS, middle, strict=True))


def mean_beat(kind: str, **changes: object) -> Beat:
    beats = [beat(spec_of(kind, p, **changes)) for p in PEOPLE]
    return {lead: np.mean([b[lead] for b in beats], axis=0) for lead in LEADS}


@pytest.fixture(scope="module")
def healthy() -> Beat:
    return mean_beat("NORM")


def st60(b: Beat, lead: str) -> float:
    """ST level 60 ms after the J point (which is about 45 ms after R)."""
    return float(b[lead][R + round(0.105 * RATE)])


ELEVATED = {
    "IMI": ("II", "III", "AVF"),
    "ASMI": ("V1", "V2", "V3"),
    "ILMI": ("II", "III", "AVF", "V6"),
    "AMI": ("V2", "V3", "V4"),
    "ALMI": ("I", "AVL", "V3", "V4", "V5"),
    "LMI": ("I", "AVL", "V5", "V6"),
    "IPLMI": ("II", "III", "AVF", "V6"),
    "IPMI": ("II", "III", "AVF"),
    "PMI": (),
}
DEPRESSED = {
    "IMI": ("AVL", "I"),
    "ASMI": (),
    "ILMI": ("AVR",),
    "AMI": (),
    "ALMI": ("III", "AVF", "AVR"),
    "LMI": ("III", "AVF", "AVR"),
    "IPLMI": ("V1", "V2", "V3"),
    "IPMI": ("V1", "V2", "V3", "AVL"),
    "PMI": ("V1", "V2", "V3"),
}


@pytest.mark.parametrize("code", MI_CODES)
def test_acute_st_shift_is_up_over_the_wall_and_down_opposite(code: str, healthy: Beat) -> None:
    acute = mean_beat(code, onset_s=-1.5 * HOUR)
    for lead in ELEVATED[code]:
        assert st60(acute, lead) - st60(healthy, lead) > 0.05, lead
    for lead in DEPRESSED[code]:
        assert st60(acute, lead) - st60(healthy, lead) < -0.03, lead


def test_inferior_elevation_is_larger_in_iii_than_in_ii_when_the_right_side_is_hit(healthy: Beat) -> None:
    acute = mean_beat("IMI", onset_s=-1.5 * HOUR)
    assert st60(acute, "III") - st60(healthy, "III") > st60(acute, "II") - st60(healthy, "II")


def test_hyperacute_t_comes_within_minutes_before_any_q() -> None:
    early, later = spec_of("AMI", 1, onset_s=0.0), spec_of("AMI", 1, onset_s=-0.2 * HOUR)
    before, after = beat(early), beat(later)
    assert after["V3"][R + 60 :].max() > 1.15 * before["V3"][R + 60 :].max()
    assert after["V3"][R - 25 : R + 5].min() > before["V3"][R - 25 : R + 5].min() - 0.02


def test_q_waves_grow_and_r_shrinks_within_a_day(healthy: Beat) -> None:
    day = mean_beat("IMI", onset_s=-24 * HOUR)
    assert day["III"][R - 25 : R].min() < healthy["III"][R - 25 : R].min() - 0.1
    assert day["AVF"][R - 10 : R + 10].max() < healthy["AVF"][R - 10 : R + 10].max() - 0.1


def test_old_anteroseptal_infarct_has_lost_its_septal_r(healthy: Beat) -> None:
    old = mean_beat("ASMI", onset_s=-1000 * HOUR)
    for lead in ("V1", "V2"):
        assert old[lead][R - 25 : R + 5].max() < 0.6 * healthy[lead][R - 25 : R + 5].max()


def test_t_is_inverted_after_two_days_relative_to_the_acute_one() -> None:
    acute, late = mean_beat("AMI", onset_s=-2 * HOUR), mean_beat("AMI", onset_s=-60 * HOUR)
    window = slice(R + 100, R + 200)
    assert late["V3"][window].mean() < acute["V3"][window].mean() - 0.2


def test_old_posterior_infarct_has_a_tall_r_in_v1_and_v2(healthy: Beat) -> None:
    old = mean_beat("PMI", onset_s=-1000 * HOUR)
    for lead in ("V1", "V2"):
        assert old[lead][R - 25 : R + 25].max() > healthy[lead][R - 25 : R + 25].max() + 0.05


def test_st_resolves_in_weeks() -> None:
    acute, old = mean_beat("ALMI", onset_s=-3 * HOUR), mean_beat("ALMI", onset_s=-2000 * HOUR)
    assert st60(old, "V4") < 0.5 * st60(acute, "V4")


def test_speed_hastens_the_evolution() -> None:
    slow = beat(spec_of("IMI", 0, onset_s=-2 * HOUR))
    fast = beat(spec_of("IMI", 0, onset_s=-120.0, speed=60.0))
    np.testing.assert_allclose(fast["III"], slow["III"], atol=0.03)


def qrs_ms(b: Beat) -> float:
    """From the first to the last moment at which the spatial velocity exceeds a sixteenth of its greatest."""
    speed = np.sum([np.abs(np.gradient(b[lead][R - 60 : R + 90])) for lead in LEADS], axis=0)
    fast = np.flatnonzero(speed > speed.max() / 16)
    return float((fast[-1] - fast[0]) * 1000 / RATE)


def test_normal_qrs_is_narrow(healthy: Beat) -> None:
    assert 70 <= qrs_ms(healthy) <= 110


@pytest.mark.parametrize("patient", PEOPLE)
@pytest.mark.parametrize("kind", ["CLBBB", "CRBBB"])
def test_bundle_branch_block_is_at_least_120_ms_wide(kind: str, patient: int) -> None:
    assert qrs_ms(beat(spec_of(kind, patient))) >= 118


def test_left_bundle_branch_block_is_broad_r_in_v6_deep_s_in_v1_and_discordant_t() -> None:
    b = mean_beat("CLBBB")
    assert b["V6"][R - 30 : R + 60].max() > 0.6
    assert b["V6"][R - 30 : R + 60].min() > -0.2
    assert b["V1"][R - 30 : R + 60].min() < -0.8
    assert b["V6"][R + 110 : R + 210].min() < -0.1
    assert b["V1"][R + 110 : R + 210].max() > 0.2


def test_right_bundle_branch_block_has_a_late_r_in_v1_and_a_broad_s_in_i() -> None:
    b = mean_beat("CRBBB")
    late = slice(R + 12, R + 45)
    assert b["V1"][late].max() > 0.4
    assert b["I"][late].min() < -0.15
    assert b["V1"][R + 110 : R + 180].min() < -0.05


def test_hypertrophy_meets_sokolow_and_lyon_s_criterion_in_most_and_health_does_not() -> None:
    def sokolow(kind: str, patient: int) -> float:
        b = beat(spec_of(kind, patient, severity=1.4 if kind == "LVH" else 1.0))
        core = slice(R - 30, R + 30)
        return float(max(b["V5"][core].max(), b["V6"][core].max()) - b["V1"][core].min())

    assert np.median([sokolow("LVH", p) for p in range(9)]) > 3.5
    assert np.median([sokolow("NORM", p) for p in range(9)]) < 3.0


def test_early_repolarisation_is_elevated_concave_and_stable(healthy: Beat) -> None:
    b = mean_beat("EARLY_REPOL")
    for lead in ("II", "V3", "V4", "V5"):
        assert st60(b, lead) - st60(healthy, lead) > 0.04, lead
    # Concave: half way from J+30 ms to the T peak the curve hangs below the straight line.
    v4 = b["V4"]
    start, peak = R + 38, R + 38 + int(np.argmax(v4[R + 38 : R + 250]))
    assert v4[(start + peak) // 2] < (v4[start] + v4[peak]) / 2
    later = beat(spec_of("EARLY_REPOL", 0, onset_s=-5000 * HOUR))
    np.testing.assert_allclose(later["V4"], beat(spec_of("EARLY_REPOL", 0))["V4"], atol=0.03)


def test_acute_anterior_elevation_is_less_concave_than_early_repolarisation() -> None:
    def sag(b: Beat) -> float:
        v = b["V3"]
        start, peak = R + 38, R + 38 + int(np.argmax(v[R + 38 : R + 250]))
        return float(((v[start] + v[peak]) / 2 - v[(start + peak) // 2]) / v[peak])

    assert sag(mean_beat("AMI", onset_s=-8 * HOUR)) < sag(mean_beat("EARLY_REPOL"))


def test_a_pacing_spike_precedes_a_broad_qrs() -> None:
    source = Patient(replace(spec_of("PACE", 2), rate_mhz=1_000_000, lead="II"))
    x = source.samples(0, 10_000).astype(np.float64)
    jump = np.abs(np.diff(x))
    for at in np.rint(source.beat_times(1000, 8000) * 1000).astype(int):
        spike = at - 100 + int(np.argmax(jump[at - 100 : at + 100]))
        assert 50 <= at - spike <= 70
        assert jump[spike] > 5 * jump[at - 20 : at + 100].max()
    assert qrs_ms(beat(spec_of("PACE", 2))) > 120


def test_ventricular_beats_are_premature_broad_without_p_and_followed_by_a_pause() -> None:
    source = TwelveLeads(spec_of("PVC", 1, severity=1.5))
    at = source.beat_times(0, 120 * RATE)
    interval = np.diff(at)
    early = np.flatnonzero(interval < 0.8 * np.median(interval)) + 1
    early = early[(early > 1) & (early < at.size - 2)]
    assert early.size >= 5
    pause = interval[early] / np.median(interval)
    assert pause.min() > 1.2
    np.testing.assert_allclose(interval[early - 1] + interval[early], 2 * np.median(interval), rtol=0.2)
    x = source.samples(0, 120 * RATE).astype(np.float64)
    rows = np.rint(at[early] * RATE).astype(int)
    ectopic = dict(zip(LEADS, np.median([x[:, r - R : r + 400] for r in rows], axis=0), strict=True))
    assert qrs_ms(ectopic) >= 120
