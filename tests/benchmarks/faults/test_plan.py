"""The plan of what goes wrong: from a seed, every kind in its turn."""

from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.faults.inject import BY_KIND
from benchmarks.faults.plan import KINDS, Moment, moments, possible

EVERYTHING = frozenset({"mount", "compiler", "plain"})


def drawn(seed: int, many: int) -> list[Moment]:
    kinds, _ = possible(EVERYTHING)
    return list(islice(moments(seed, kinds, 2.0), many))


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_the_same_seed_makes_the_same_plan(seed: int) -> None:
    assert drawn(seed, 20) == drawn(seed, 20)


def test_another_seed_makes_another_plan() -> None:
    assert drawn(1, 20) != drawn(2, 20)


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_every_kind_has_its_turn_before_any_has_a_third(seed: int) -> None:
    kinds, _ = possible(EVERYTHING)
    said = [fault.kind for moment in drawn(seed, 2 * len(kinds)) for fault in moment.faults]
    assert set(said[: 2 * len(kinds)]) == {kind.name for kind in kinds}


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_a_stopped_replica_outlasts_its_lease(seed: int) -> None:
    faults = [fault for moment in drawn(seed, 60) for fault in moment.faults]
    assert all(fault.lasts_s > 2.0 for fault in faults if fault.kind == "replica stopped")


def test_there_is_a_way_to_do_every_kind_and_no_other() -> None:
    assert BY_KIND.keys() == {kind.name for kind in KINDS}


def test_what_the_machine_cannot_do_is_named_and_left_out() -> None:
    kinds, skipped = possible(frozenset({"plain"}), ("disk", "ingest killed"))
    assert [kind.name for kind in kinds] == ["ingest killed"]
    assert [kind.name for kind in skipped] == ["disk full", "disk full, then redis killed"]


def test_kinds_of_serve_are_for_serve_only() -> None:
    plain, _ = possible(EVERYTHING)
    serve, _ = possible(frozenset({"mount", "compiler", "serve"}))
    assert {kind.name for kind in serve} - {kind.name for kind in plain} == {
        "controller killed",
        "proxy killed",
        "raylet killed",
    }
    assert {kind.name for kind in plain} - {kind.name for kind in serve} == {"clock of a replica stepped"}
