"""How far behind live, and when it was well again."""

import math

from benchmarks.faults.watch import Recovery, Watch, behind_s, by_kind
from shared.position import PatientMark


def marks(*windows: int) -> list[bytes]:
    """Patients whose session began at 100 s, with so many windows committed."""
    return [PatientMark(1, 100_000_000, 100_000, n, 0, 0).pack() for n in windows]


def test_a_window_is_overdue_from_its_end_on() -> None:
    # Window 2 lies from 10 to 20 s of the session.
    assert behind_s(marks(2), 5.0, now_s=123.0) == 3.0


def test_a_few_patients_with_gaps_do_not_make_a_shard_late() -> None:
    assert behind_s(marks(0, *[4] * 20), 5.0, now_s=130.0) == 0.0


def test_a_shard_without_patients_is_never_late() -> None:
    assert behind_s([], 5.0, now_s=130.0) == -math.inf


def watched(*behind: float) -> Watch:
    """A look a second, from second 0 on."""
    watch = Watch(1, 1, 5.0, within_s=2.0)
    watch._behind, watch._times = list(behind), [float(i) for i in range(len(behind))]
    return watch


def test_it_is_well_since_the_first_of_all_looks_that_were_well_until_now() -> None:
    assert watched(9, 1, 9, 1, 1).well_since(0) == 3
    assert watched(9, 1, 1, 1, 1).well_since(2.5) == 2.5


def test_it_is_not_well_while_the_last_look_was_not_or_was_before() -> None:
    assert watched(1, 1, 9).well_since(0) is None
    assert watched(1, 1, 1).well_since(2.5) is None
    assert watched().well_since(0) is None


def test_recoveries_are_told_by_kind_with_those_that_never_came() -> None:
    said = by_kind(
        [
            Recovery("redis killed", 0, 0, 1.0),
            Recovery("redis killed", 0, 0, 3.0),
            Recovery("redis killed", 0, 0, None),
            Recovery("redis killed + proxy killed", 0, 0, None),
        ]
    )
    assert said == {
        "redis killed": {"median": 2.0, "worst": 3.0, "times": 3, "never": 1},
        "two at once": {"times": 1, "never": 1},
    }
