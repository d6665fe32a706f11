"""Which frames count: sessions, rates, leads, clocks and room."""

import pytest

from services.inference.windows import Cutter, Outcome, Rules
from tests.services.inference.windows.reference import Frame, expanded, step
from tests.services.inference.windows.wards import NOW_MS

ENTRY = f"{NOW_MS}-0"
START = NOW_MS * 1000


def frame(seconds: int = 1, **changes: object) -> Frame:
    return Frame(b"p", (5,) * (50 * seconds), **{"start_us": START, **changes})  # type: ignore[arg-type] # test


def facts(*frames: Frame, rules: Rules | None = None) -> dict[str, int]:
    done = step(Cutter(rules or Rules()), [(ENTRY, list(frames))])
    return {name: n for name, n in done.facts.items() if name.startswith("frames_")}


def test_an_older_session_is_stale() -> None:
    assert facts(frame(session=1), frame(session=9, start_us=START - 1)) == {"frames_stale_session": 1}


def test_of_two_sessions_with_one_start_the_greater_id_wins() -> None:
    assert facts(frame(session=2**64 - 1), frame(session=1)) == {"frames_stale_session": 1}


def test_a_later_session_closes_the_open_windows_of_the_older_as_they_are() -> None:
    done = step(Cutter(Rules()), [(ENTRY, [frame(9), frame(session=2)])])
    windows = expanded(done.cut)[b"p"]
    assert [(w.session[1], w.window, w.outcome) for w in windows] == [
        (1, 0, Outcome.GAPPED),
        (1, 1, Outcome.UNASSESSABLE),
    ]


def test_another_rate_in_the_same_session_is_refused() -> None:
    assert facts(frame(), frame(rate_mhz=100_000)) == {"frames_rate_changed": 1}


def test_a_new_session_may_have_another_rate() -> None:
    done = step(Cutter(Rules()), [(ENTRY, [frame(), frame(20, session=2, rate_mhz=100_000)])])
    assert [(w.rate_mhz, w.outcome) for w in expanded(done.cut)[b"p"]] == [
        (50_000, Outcome.UNASSESSABLE),
        (100_000, Outcome.COMPLETE),
    ]


def test_the_wrong_lead_is_refused() -> None:
    assert facts(frame(lead="II")) == {"frames_wrong_lead": 1}


@pytest.mark.parametrize(("ahead_us", "refused"), [(300_000_000, {}), (300_000_001, {"frames_future_start": 1})])
def test_a_start_more_than_five_minutes_ahead_of_its_entry_is_refused(
    ahead_us: int, refused: dict[str, int]
) -> None:
    assert facts(frame(start_us=START + ahead_us)) == refused


def test_an_index_beyond_any_session_is_refused() -> None:
    assert facts(frame(first=2**53)) == {"frames_index": 1}


def test_a_patient_beyond_the_room_is_refused_and_the_others_go_on() -> None:
    rules = Rules(max_patients=1)
    other = Frame(b"q", (5,) * 50, start_us=START)
    assert facts(frame(), other, frame(first=50), rules=rules) == {"frames_no_room": 1}


def test_refused_frames_are_handed_back_with_the_reason() -> None:
    done = step(Cutter(Rules()), [(ENTRY, [frame(), frame(lead="II", first=7)])])
    assert [(reason, header["first"].tolist()) for reason, header in done.refused] == [("wrong_lead", [7])]


def test_entries_that_do_not_rise_are_refused() -> None:
    cutter = Cutter(Rules())
    step(cutter, [("5-1", [])])
    with pytest.raises(ValueError, match="not in log order"):
        step(cutter, [("5-1", [])])


def test_a_discharged_patient_makes_room_and_may_come_back() -> None:
    rules = Rules(max_patients=1)
    cutter = Cutter(rules)
    step(cutter, [("1-0", [frame(3, start_us=0)])])
    cutter.forget([b"p", b"unknown"])
    assert len(cutter) == 0
    done = step(cutter, [("2-0", [Frame(b"q", (5,) * 500)])])
    assert expanded(done.cut).keys() == {b"q"}
    assert set(done.marks) == {b"q"}


def test_a_discharged_patient_no_longer_holds_the_stream_back() -> None:
    cutter = Cutter(Rules())
    assert step(cutter, [("1-0", [frame(3, start_us=0)])]).rewind == "1-0"
    cutter.forget([b"p"])
    assert step(cutter, [("2-0", [])]).rewind == "2-1"
