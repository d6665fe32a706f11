"""How many replicas the streams need: the decision alone, and over many turns."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inference.serving.scaling import Load, StreamLag, Targets, desired, loads_of

TARGETS = Targets(busy=0.6, lag_s=2.0, slack=0.25)
loads = st.lists(st.builds(Load, lag_s=st.floats(0, 1e6), busy=st.floats(0, 1)), max_size=20)


def wanted(*pairs: tuple[float, float], current: int | None = None, most: int = 16) -> int:
    """For replicas of these (lag, busy)."""
    known = [Load(lag, busy) for lag, busy in pairs]
    return desired(known, len(known) if current is None else current, TARGETS, least=1, most=most)


def test_replicas_that_keep_up_stay_as_they_are() -> None:
    assert wanted((0.3, 0.5), (0.2, 0.55)) == 2


def test_more_work_than_the_target_gets_as_many_as_bring_it_back_below() -> None:
    assert wanted((0.3, 0.9), (0.3, 0.9)) == 3


def test_waiting_entries_get_one_more_even_where_nobody_is_busy() -> None:
    assert wanted((2.1, 0.1), (0.1, 0.1)) == 3


def test_entries_that_wait_for_very_long_double_the_replicas_and_no_more() -> None:
    assert wanted((900.0, 1.0), (900.0, 1.0), (900.0, 1.0)) == 6


def test_quiet_replicas_go_one_at_a_time() -> None:
    assert wanted((0.1, 0.01), (0.1, 0.01), (0.1, 0.01), (0.1, 0.01)) == 3


def test_none_goes_if_the_rest_would_have_no_slack() -> None:
    assert wanted((0.1, 0.23), (0.1, 0.23)) == 2
    assert wanted((0.1, 0.22), (0.1, 0.22)) == 1


def test_none_goes_while_entries_wait_a_little() -> None:
    assert wanted((1.5, 0.01), (0.1, 0.01)) == 2


def test_nothing_known_changes_nothing() -> None:
    assert wanted(current=5) == 5


def test_a_replica_that_still_starts_calls_for_no_more_and_for_no_fewer() -> None:
    assert wanted((60.0, 0.9), current=2) == 2
    assert wanted((0.1, 0.01), current=2) == 2


@given(loads, st.integers(0, 40), st.integers(1, 5), st.integers(5, 30))
def test_bounds_hold_whatever_is_reported(known: list[Load], current: int, least: int, most: int) -> None:
    assert least <= desired(known, current, TARGETS, least=least, most=most) <= most


@given(st.floats(0, 9))
def test_the_same_work_never_makes_the_number_go_up_and_down(work: float) -> None:
    """Work divides over replicas; from any start the number comes to rest, and the rest is within the target."""
    replicas, seen = 1, []
    for _ in range(40):
        share = min(1.0, work / replicas)
        behind = 30.0 if work / replicas > 1 else 0.1
        replicas = desired([Load(behind, share)] * replicas, replicas, TARGETS, least=1, most=16)
        seen.append(replicas)
    assert len(set(seen[-20:])) == 1
    assert work / replicas <= TARGETS.busy + 1e-9


@pytest.mark.parametrize("nonsense", [{"busy": 0.0}, {"busy": 1.5}, {"lag_s": 0.0}, {"slack": 1.0}])
def test_targets_that_make_no_sense_are_refused(nonsense: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="are wanted, not"):
        Targets(**nonsense)


def test_what_serve_gathered_becomes_loads_and_a_half_report_is_left_out() -> None:
    assert loads_of({"lag_s": {"a": 1.0, "b": 2.0}, "busy": {"a": 0.5}}) == [Load(1.0, 0.5)]


def test_the_policy_asks_for_what_the_decision_says_within_serves_bounds() -> None:
    context = SimpleNamespace(
        aggregated_metrics={"lag_s": {"a": 100.0, "b": 0.0}, "busy": {"a": 1.0, "b": 1.0}},
        target_num_replicas=2,
        capacity_adjusted_min_replicas=1,
        capacity_adjusted_max_replicas=3,
    )
    assert StreamLag(busy=0.6)(context) == (3, {})
