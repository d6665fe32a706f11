"""The verdict: each way to be wrong shows as what it is. An instrument that cannot fail proves nothing."""

import json
from collections.abc import Callable

import pytest

from benchmarks.faults.expected import Committed
from benchmarks.faults.verdict import against_log, judge, pure
from services.inference.commit.facts import Kind
from shared.position import PatientMark


def committed() -> Committed:
    one = Committed()
    one.counters.update(
        {"windows|scored": 5, "facts|frames": 90, "facts|samples": 900, "alerts|mi|IMI|low|began": 1}
    )
    one.alerts = [("a", body()), ("b", body("stream_lost"))]
    one.trend[b"p"] = b"pointpoint"
    one.patients[Kind.MARK][b"p"] = PatientMark(7, 0, 100_000, 5, 2500, 3000).pack()
    one.patients[Kind.STATE][b"p"] = b"state"
    one.patients[Kind.LATEST][b"p"] = b"latest"
    one.patients[Kind.PARKED][b"p"] = b"parked"
    return one


def body(kind: str = "mi", window: int = 3) -> bytes:
    return json.dumps({"kind": kind, "window": window}).encode()


def mark(windows: int, session: int = 7, high: int = 3000) -> Callable[[Committed], None]:
    def change(one: Committed) -> None:
        one.patients[Kind.MARK][b"p"] = PatientMark(session, 0, 100_000, windows, 2500, high).pack()
        one.counters["windows|scored"] = windows

    return change


def test_older_alerts_than_are_kept_are_not_missed() -> None:
    found = committed()
    found.alerts = found.alerts[:1]
    wanted = committed()
    wanted.alerts = [("y", body()), ("z", body()), *wanted.alerts]
    assert judge([found], [wanted]).lost == 2
    assert judge([found], [wanted], alerts_kept=1).good
    assert judge([found], [wanted], alerts_kept=2).lost == 2
    found.alerts = [("c", body())]
    assert judge([found], [wanted], alerts_kept=1).doubled == 1


def test_what_is_the_same_is_good() -> None:
    verdict = judge([committed()], [committed()])
    assert verdict.good
    assert verdict.examples == []


@pytest.mark.parametrize(
    ("change", "lost", "doubled", "changed", "counters"),
    [
        (mark(3), 2, 0, 0, {"windows|scored": (3, 5)}),
        (mark(6), 0, 2, 0, {"windows|scored": (6, 5)}),
        (mark(5, session=8), 5, 0, 0, {}),
        (lambda one: one.counters.update({"windows|scored": 1}), 0, 1, 0, {"windows|scored": (6, 5)}),
        (lambda one: one.counters.subtract({"facts|samples": 1}), 0, 0, 0, {"facts|samples": (899, 900)}),
        (lambda one: one.alerts.pop(0), 1, 0, 0, {}),
        (lambda one: one.alerts.append(("a", body())), 0, 1, 0, {}),
        (lambda one: one.alerts.append(("c", body())), 0, 1, 0, {}),
        (lambda one: one.alerts.append(("b", body("stream_lost"))), 0, 1, 0, {}),
        (lambda one: one.alerts.__setitem__(0, ("a", body(window=4))), 0, 0, 1, {}),
        (lambda one: one.patients[Kind.STATE].update({b"p": b"other"}), 0, 0, 1, {}),
        (lambda one: one.trend.update({b"p": b"point"}), 0, 0, 1, {}),
        (lambda one: one.patients[Kind.LATEST].pop(b"p"), 0, 0, 1, {}),
    ],
)
def test_each_way_to_be_wrong_shows(
    change: Callable[[Committed], None],
    lost: int,
    doubled: int,
    changed: int,
    counters: dict[str, tuple[int, int]],
) -> None:
    found = committed()
    change(found)
    verdict = judge([found], [committed()])
    assert (verdict.lost, verdict.doubled, verdict.changed, verdict.counters) == (lost, doubled, changed, counters)
    assert not verdict.good


@pytest.mark.parametrize(
    "change",
    [
        mark(5, high=9999),
        lambda one: one.counters.update({"facts|frames": 3, "facts|samples_duplicate": 300}),
        lambda one: one.counters.update({"alerts|stream_lost||low|began": 1}),
        lambda one: one.alerts.pop(1),
        lambda one: one.alerts.append(("c", body("system_silent"))),
        lambda one: one.patients[Kind.PARKED].clear(),
        lambda one: one.patients[Kind.SILENCE].clear(),
    ],
)
def test_what_follows_from_deliveries_and_clocks_may_differ(change: Callable[[Committed], None]) -> None:
    found = committed()
    change(found)
    assert judge([found], [committed()]).good


def test_deliveries_are_held_against_the_log() -> None:
    found = committed()
    found.counters["facts|frames"] += 1
    assert against_log([found], [committed()]) == {"facts|frames": (91, 90)}


@pytest.mark.parametrize("kind", ["stream_lost", "system_silent"])
def test_alarms_about_silence_are_held_against_nothing_for_how_long_it_lasts_is_no_fault(kind: str) -> None:
    found = committed()
    found.counters.update({f"alerts|{kind}||medium|began": 2, f"active|{kind}||medium|raised": 1})
    assert against_log([found], [committed()]) == {}
    assert judge([found], [committed()]).good
    found.counters["active|mi|IMI|low|raised"] += 1
    assert against_log([found], [committed()]) == {"active|mi|IMI|low|raised": (1, 0)}


def test_pure_counters_are_named_and_zero_is_nothing() -> None:
    counted = {"windows|scored": 3, "windows|missing": 0, "facts|frames": 9, "facts|samples": 900, "score|0.05": 3}
    assert pure(counted) == {"windows|scored": 3, "facts|samples": 900, "score|0.05": 3}
