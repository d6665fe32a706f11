"""What several levels show side by side, and a profile that does not explain itself."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.capacity import check_profile
from benchmarks.curve import curve, picture, turn_us
from benchmarks.load import Costs, Level
from benchmarks.replica import Latencies
from shared.errors import SelfmisError

COSTS = Costs(
    overhead_us_per_window=80.0,
    monitor_us=60.0,
    redis_us=12.0,
    ingest_us=8.0,
    model_us=140.0,
    read_us=3.0,
    place_us=15.0,
    score_us=20.0,
    model_in_run_us=141.0,
    judge_us=9.0,
    commit_us=6.0,
    own_us=3.0,
    rest_us=3.0,
    unexplained_share=0.015,
)
LEVEL = Level(
    patients=1000,
    held=True,
    seconds=60.0,
    windows_per_s=200.0,
    limit_windows_per_s=14_000.0,
    ratio=0.014,
    p50_latency_s=0.4,
    p99_latency_s=0.7,
    worst_latency_s=0.9,
    lag_s=0.3,
    ingest_lateness_p99_s=0.01,
    frames_dropped=0,
    mean_batch=50.0,
    steps_per_s=2.3,
    reloads=0,
    runtime="openvino bf16",
    cores_used=0.05,
    rss_mb=300.0,
    redis_rss_mb=20.0,
    ingest_rss_mb=100.0,
    costs=COSTS,
)
MANY = replace(
    LEVEL,
    patients=20_000,
    held=False,
    p99_latency_s=3.0,
    costs=replace(COSTS, overhead_us_per_window=60.0),
)


def test_a_curve_is_in_the_order_of_patients_with_the_ratio_of_its_ends() -> None:
    found = curve([MANY, LEVEL])
    assert (found["curve_patients"], found["curve_held"]) == ([1000, 20_000], [True, False])
    assert found["cost_last_over_first"] == 0.75


def test_what_a_shards_turn_costs_is_told_from_wards_that_bring_it_few_and_many_windows() -> None:
    def level(patients: int, *, held: bool = True) -> Level:
        windows_per_turn = patients / 5 / (LEVEL.steps_per_s * 16)
        costs = replace(COSTS, overhead_us_per_window=60 + 900 / windows_per_turn if held else 1e6)
        return replace(LEVEL, patients=patients, held=held, windows_per_s=patients / 5, costs=costs)

    levels = [level(1000), level(5000), level(50_000), level(90_000, held=False)]
    assert turn_us(levels, 16) == {"turn_us": pytest.approx(900)}
    assert turn_us(levels[2:], 16) == {}


def test_levels_are_drawn_as_a_png() -> None:
    assert picture([LEVEL, MANY], 1.0).startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize("share", [0.06, -0.06])
def test_a_profile_that_leaves_too_much_unexplained_is_an_error(share: float) -> None:
    check_profile(LEVEL)
    unexplained = replace(COSTS, unexplained_share=share, rest_us=share * 200)
    with pytest.raises(SelfmisError, match="in no stage"):
        check_profile(replace(LEVEL, windows_per_s=4000.0, costs=unexplained))


def test_a_profile_of_replicas_with_next_to_nothing_to_do_explains_less() -> None:
    check_profile(replace(LEVEL, windows_per_s=40.0, costs=replace(COSTS, unexplained_share=0.1, rest_us=40.0)))


def test_latencies_are_handed_out_exactly_and_once() -> None:
    latencies = Latencies()
    latencies.add(np.array([0.6, 0.25]))
    latencies.add(np.array([7.0]))
    assert latencies.taken().tolist() == [np.float32(0.6), 0.25, 7.0]
    assert latencies.taken().size == 0
    assert latencies.counts.sum() == 3
