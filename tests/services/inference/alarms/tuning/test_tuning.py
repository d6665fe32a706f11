"""Rules on replays whose outcome can be worked out by hand."""

import numpy as np
import pytest

from services.inference.alarms.tuning import Episode, Replay, ReplayError, Result, Target, pick, rule_sets, trial
from services.inference.alarms.tuning.trial import wilson
from shared.labels import SCORE_NAMES
from shared.sections import AlarmSettings

QUICK = AlarmSettings(smoothing=1.0, on_windows=1, of_windows=2, off_windows=2, refractory_s=0.0)
HOUR = 720  # windows of 5 s


def replay(
    *patients: tuple[str, dict[int, float]],
    windows: int = HOUR,
    episodes: tuple[tuple[str, float, float], ...] = (),
) -> Replay:
    """Patients that score 0.1 but for some windows (number → any-MI); window k ends at 5 (k + 1) s."""
    names, times, scores = [], [], []
    for name, speaking in patients:
        for k in range(windows):
            names.append(name)
            times.append(5.0 * (k + 1))
            scores.append([0.0] * (len(SCORE_NAMES) - 1) + [speaking.get(k, 0.1)])
    flags = np.ones(len(names), bool)
    return Replay.of(names, np.array(times), np.array(scores, np.float32), flags, episodes)


def spike(*at: int, mi: float = 0.6) -> dict[int, float]:
    return dict.fromkeys(at, mi)


def test_a_spike_in_an_hour_without_infarction_is_one_false_alarm_per_hour() -> None:
    result = trial(replay(("ada", spike(100)), ("ben", {})), QUICK)
    assert (result.false_alarms, result.true_alarms) == (1, 0)
    # The first window adds its ten seconds, each other one its stride of five.
    assert result.false_per_hour == pytest.approx(1 / (2 * (HOUR * 5 + 5) / 3600))
    assert result.sensitivity is None


def test_an_episode_is_detected_by_a_call_within_it_and_the_delay_is_from_its_start() -> None:
    story = replay(("ada", spike(105, 106)), episodes=(("ada", 500.0, 600.0),))
    result = trial(story, QUICK)
    assert result.sensitivity == 1
    assert result.delays_s == (30.0,)  # window 105 ends at 530 s
    assert result.false_alarms == 0


@pytest.mark.parametrize(("after_s", "detected"), [(30, 1), (35, 0)])
def test_a_call_shortly_after_an_episode_still_belongs_to_it(after_s: int, detected: int) -> None:
    window = (600 + after_s) // 5 - 1
    result = trial(replay(("ada", spike(window)), episodes=(("ada", 500.0, 600.0),)), QUICK)
    assert (len(result.delays_s), result.false_alarms) == (detected, 1 - detected)


def test_an_alarm_that_was_on_already_is_no_detection_but_one_that_gets_worse_is() -> None:
    on = spike(*range(80, 130))
    episode = (("ada", 500.0, 600.0),)
    assert trial(replay(("ada", on), episodes=episode), QUICK).sensitivity == 0
    worse = on | spike(*range(110, 130), mi=0.9)
    assert trial(replay(("ada", worse), episodes=episode), QUICK).delays_s == (55.0,)


def test_an_episode_of_another_patient_excuses_nothing() -> None:
    result = trial(replay(("ada", spike(105)), ("ben", {}), episodes=(("ben", 500.0, 600.0),)), QUICK)
    assert (result.sensitivity, result.false_alarms) == (0, 1)


def test_the_burden_is_the_time_until_somebody_has_seen_it_and_it_is_gone() -> None:
    result = trial(replay(("ada", spike(100)), windows=2880), QUICK, answer_s=60.0)  # a sixth of a day
    # Began with the window that ends at 505 s; gone and latched two windows later, acknowledged at 565 s.
    assert result.burden == pytest.approx(6.0, rel=1e-3)


def test_an_alarm_still_on_at_the_end_counts_to_the_end() -> None:
    result = trial(replay(("ada", spike(*range(600, 720)))), QUICK)
    assert result.alarm_hours * 3600 == pytest.approx(5 * 119)


def test_more_evidence_asked_for_means_fewer_false_alarms_and_later_detection() -> None:
    story = replay(("ada", spike(50, 300, 301, 302)), episodes=(("ada", 1500.0, 1600.0),))
    slow = AlarmSettings(smoothing=1.0, on_windows=3, of_windows=5, off_windows=3, refractory_s=0.0)
    fast_result, slow_result = trial(story, QUICK), trial(story, slow)
    assert (fast_result.false_alarms, fast_result.delays_s) == (1, (5.0,))
    assert (slow_result.false_alarms, slow_result.delays_s) == (0, (15.0,))


def test_unassessable_windows_are_watched_but_say_nothing() -> None:
    n = 100
    scores = np.full((n, len(SCORE_NAMES)), np.nan, np.float32)
    story = Replay.of(["ada"] * n, np.arange(n) * 5.0, scores, np.zeros(n, bool))
    result = trial(story, QUICK)
    assert result.false_alarms == 0
    assert result.hours * 3600 == pytest.approx(5 * 99 + 10)


def test_mixing_the_patients_changes_nothing() -> None:
    names = [name for _ in range(50) for name in ("ada", "ben")]
    times = np.repeat(np.arange(50) * 5.0, 2)
    scores = np.random.default_rng(1).random((100, len(SCORE_NAMES))).astype(np.float32)
    flags = np.ones(100, bool)
    order = np.argsort(np.array(names), kind="stable")
    mixed = Replay.of(names, times, scores, flags, [("ada", 20.0, 60.0)])
    sorted_ = Replay.of([names[i] for i in order], times[order], scores[order], flags, [("ada", 20.0, 60.0)])
    assert trial(mixed, QUICK) == trial(sorted_, QUICK)


@pytest.mark.parametrize(
    ("times", "scores", "episode", "message"),
    [
        ([5.0, 5.0], 0.5, ("ada", 0.0, 1.0), "not later than the one before"),
        ([5.0, float("nan")], 0.5, ("ada", 0.0, 1.0), "window 1: its time"),
        ([5.0, 10.0], 1.5, ("ada", 0.0, 1.0), "probabilities must be from 0 to 1"),
        ([5.0, 10.0], 0.5, ("ben", 0.0, 1.0), "patient without windows"),
        ([5.0, 10.0], 0.5, ("ada", 1.0, 1.0), "must stop after it starts"),
        ([], 0.5, ("ada", 0.0, 1.0), "a replay needs"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    times: list[float], scores: float, episode: tuple[str, float, float], message: str
) -> None:
    n = len(times)
    rows = np.full((n, len(SCORE_NAMES)), scores, np.float32)
    with pytest.raises(ReplayError, match=message):
        Replay.of(["ada"] * n, np.array(times), rows, np.ones(n, bool), [episode])


def test_an_open_episode_lasts_to_the_end() -> None:
    story = replay(("ada", spike(700)), episodes=(("ada", 500.0, float("inf")),))
    assert story.episodes == (Episode(b"ada", 500_000_000, 10**16),)
    assert trial(story, QUICK).sensitivity == 1


def test_what_is_not_swept_gives_way() -> None:
    (settings,) = rule_sets(AlarmSettings(of_windows=5), {"low": [0.9], "on_windows": [1]})
    assert settings is not None
    assert (settings.medium, settings.high, settings.off_windows) == (0.9, 0.9, 5)


def test_impossible_combinations_are_told_from_possible_ones() -> None:
    sets = list(rule_sets(AlarmSettings(), {"on_windows": [2, 4], "of_windows": [3]}))
    assert [s is None for s in sets] == [False, True]


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ReplayError, match="no alarm setting 'lo'"):
        list(rule_sets(AlarmSettings(), {"lo": [0.5]}))


def result(found: int, false: int, delay_s: float = 10.0, episodes: int = 10) -> Result:
    delays = (delay_s,) * found
    return Result(AlarmSettings(), 10, 100.0, 100.0, episodes, delays, found, false, 1.0)


def test_the_most_sensitive_rules_within_the_target_are_picked() -> None:
    results = [result(9, 20), result(7, 5), result(8, 10), result(8, 9, delay_s=20.0)]
    assert pick(results, Target(0.1)) is results[2]
    assert pick(results, Target(0.01)) is None


def test_without_episodes_nothing_can_be_picked() -> None:
    assert pick([result(0, 0, episodes=0)], Target(1.0)) is None


def test_the_interval_of_a_share_is_wilsons() -> None:
    low, high = wilson(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson(0, 0) == (None, None)
