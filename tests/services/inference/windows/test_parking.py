"""A patient who falls silent pins neither memory nor the stream, and is taken up again where it stopped."""

import numpy as np
import pytest

from services.inference.windows import Cutter, Outcome, ParkedError, Rules
from shared.position import PatientMark, ShardPosition
from tests.services.inference.windows.reference import Frame, Store, expanded, step
from tests.services.inference.windows.wards import NOW_MS

RULES = Rules(park_after_ms=20_000)


def second(index: int, name: bytes = b"p", seconds: int = 1) -> Frame:
    first = index * 50
    return Frame(name, tuple(range(first, first + 50 * seconds)), first)


def at(seconds: int) -> str:
    return f"{NOW_MS + seconds * 1000}-0"


def vanished(store: Store) -> Cutter:
    """p sends seven seconds and is silent for a minute; q goes on all the time."""
    cutter = Cutter(RULES)
    store.commit(step(cutter, [(at(0), [second(0, seconds=7)])]))
    for i in range(60):
        store.commit(step(cutter, [(at(1 + i), [second(i, b"q")])]))
    return cutter


def test_silence_moves_the_partial_samples_to_the_committed_state_and_lets_the_stream_go() -> None:
    store = Store()
    vanished(store)
    assert set(store.parked) == {b"p"}
    assert store.position.rewind > at(48)


def test_until_then_the_oldest_entry_of_an_open_window_is_kept() -> None:
    cutter = Cutter(RULES)
    step(cutter, [(at(0), [second(0, seconds=7)])])
    assert step(cutter, [(at(19), [second(0, b"q")])]).rewind == at(0)


def test_without_an_open_window_nothing_older_is_needed() -> None:
    rules = Rules(stride_us=10_000_000)
    assert step(Cutter(rules), [("7-3", [second(0, seconds=10)])]).rewind == "7-4"


def test_that_holds_in_a_long_session_too() -> None:
    cutter = Cutter(Rules(stride_us=10_000_000))
    steps = [step(cutter, [(at(i), [second(i)])]) for i in range(120)]
    assert [done.rewind for done in steps[9::10]] == [at(i).replace("-0", "-1") for i in range(9, 120, 10)]


def test_the_entry_that_opened_the_next_window_is_needed_not_the_one_that_closed_the_last() -> None:
    log = [(at(i), [second(i)]) for i in range(11)]
    assert step(Cutter(RULES), log).rewind == at(5)


@pytest.mark.parametrize("crash", [False, True])
def test_the_device_that_returns_goes_on_as_if_nothing_had_been(crash: bool) -> None:
    store = Store()
    cutter = vanished(store)
    cutter = store.cutter(RULES) if crash else cutter
    store.commit(step(cutter, [(at(70), [second(7, seconds=3)])]))
    window = store.windows[b"p"][0]
    assert window.outcome is Outcome.COMPLETE
    assert window.millivolts == (np.arange(500, dtype=np.float32) * (np.float32(2.5) * np.float32(1e-3))).tobytes()


def test_the_parked_samples_go_when_their_last_window_has_closed() -> None:
    store = Store()
    cutter = vanished(store)
    store.commit(step(cutter, [(at(70), [second(7, seconds=3)])]))
    assert set(store.parked) == {b"p"}  # window 1 begins in them
    store.commit(step(cutter, [(at(71), [second(10, seconds=5)])]))
    assert store.parked == {}


def test_what_came_after_the_return_is_read_again_after_a_crash() -> None:
    store = Store()
    vanished(store)
    log = [(at(70), [second(7)]), (at(71), [second(8)]), (at(72), [second(9)])]
    for i in range(3):
        cutter = store.cutter(RULES)  # a crash after every commit
        store.commit(step(cutter, [e for e in log[: i + 1] if e[0] >= store.position.rewind]))
    assert [w.outcome for w in store.windows[b"p"]] == [Outcome.COMPLETE]


def test_who_is_silent_without_an_open_window_gives_the_memory_back() -> None:
    cutter = Cutter(Rules(stride_us=10_000_000, park_after_ms=20_000))
    empty = cutter.nbytes
    step(cutter, [(at(0), [Frame(b"p", (0,) * 500)])])
    taken = cutter.nbytes
    done = step(cutter, [(at(21), [])])
    assert done.parked == {}
    assert taken - cutter.nbytes == 4 * 4 * (500 + 100 + 100)
    assert cutter.nbytes > empty


def test_a_later_session_closes_the_windows_of_a_parked_one() -> None:
    store = Store()
    cutter = vanished(store)
    done = step(cutter, [(at(70), [Frame(b"p", (1,), session=2)])])
    assert [(w.window, w.missing) for w in expanded(done.cut)[b"p"]] == [(0, 150), (1, 400)]
    assert done.parked == {b"p": None}


def test_a_device_that_repeats_itself_does_not_hold_the_stream_back() -> None:
    cutter = Cutter(RULES)
    for i in range(60):
        done = step(cutter, [(at(i), [second(0)])])
    assert done.rewind >= at(60 - 1 - 20)


def test_memory_follows_who_is_there_not_who_ever_was() -> None:
    cutter = Cutter(RULES)
    idle = cutter.nbytes
    step(cutter, [(at(0), [Frame(f"p{i}".encode(), (0,) * 500) for i in range(200)])])
    full = cutter.nbytes - idle
    step(cutter, [(at(30), [second(0, b"q")])])
    assert cutter.nbytes - idle < full / 3
    assert len(cutter) == 201


def test_nothing_is_parked_while_devices_send() -> None:
    cutter = Cutter(RULES)
    assert not any(step(cutter, [(at(i), [second(i)])]).parked for i in range(60))


def restarted(rules: Rules, seconds: int) -> tuple[Cutter, Store]:
    """A cutter under other rules, after some seconds of p were committed."""
    store = Store()
    store.commit(step(Cutter(RULES), [(at(i), [second(i)]) for i in range(seconds)]))
    return store.cutter(rules), store


def test_a_changed_stride_goes_on_behind_the_last_window() -> None:
    cutter, _ = restarted(Rules(stride_us=4_000_000), 11)
    log = [(at(i), [second(i)]) for i in range(5, 19)]
    assert [(w.window, w.first) for w in expanded(step(cutter, log).cut)[b"p"]] == [(2, 400)]


def test_parked_samples_serve_windows_of_a_changed_stride() -> None:
    store = Store()
    store.commit(step(Cutter(RULES), [(at(0), [second(0, seconds=12)]), (at(60), [])]))
    done = step(store.cutter(Rules(stride_us=8_000_000)), [(at(61), [second(12, seconds=6)])])
    assert [(w.window, w.outcome) for w in expanded(done.cut)[b"p"]] == [(1, Outcome.COMPLETE)]


def test_parked_samples_that_a_changed_stride_leaves_behind_are_dropped() -> None:
    store = Store()
    store.commit(step(Cutter(Rules(stride_us=9_700_000)), [(at(0), [second(0, seconds=10)]), (at(90), [])]))
    assert set(store.parked) == {b"p"}
    done = step(store.cutter(Rules(stride_us=8_000_000)), [(at(91), [second(10, seconds=16)])])
    assert [(w.window, w.outcome) for w in expanded(done.cut)[b"p"]] == [(2, Outcome.COMPLETE)]
    assert done.parked == {b"p": None}


def test_an_entry_that_was_refused_under_other_rules_stays_refused_when_read_again() -> None:
    store = Store()
    other = [Frame(name, (1,) * 600, lead="II", session=2) for name in (b"p", b"r")]
    log = [(at(0), [second(0)]), (at(1), other)]
    store.commit(step(Cutter(RULES), log))
    cutter = store.cutter(Rules(lead=1))
    done = step(cutter, log)
    assert (len(done.cut), done.marks, done.facts, len(cutter)) == (0, {}, {}, 1)


def test_a_shorter_lateness_closes_what_it_would_have_closed() -> None:
    store = Store()
    patient = Cutter(Rules(lateness_us=30_000_000, park_after_ms=20_000))
    store.commit(step(patient, [(at(0), [second(0), second(2, seconds=30)]), (at(60), [])]))
    assert set(store.parked) == {b"p"}
    done = step(store.cutter(RULES), [(at(61), [second(32)])])
    assert [(w.window, w.outcome) for w in expanded(done.cut)[b"p"]] == [
        (0, Outcome.GAPPED),
        *((w, Outcome.COMPLETE) for w in range(1, 5)),
    ]


def test_a_lower_limit_of_patients_keeps_who_is_known() -> None:
    store = Store()
    store.commit(step(Cutter(RULES), [(at(0), [second(0, b"p"), second(0, b"q")])]))
    cutter = store.cutter(Rules(max_patients=1))
    done = step(cutter, [(at(1), [second(1, b"p"), second(1, b"q"), second(0, b"r")])])
    assert done.facts["frames_no_room"] == 1
    assert done.facts["samples"] == 100


def test_parked_samples_of_another_session_than_the_mark_are_refused() -> None:
    store = Store()
    vanished(store)
    mark = PatientMark.unpack(store.marks[b"p"])
    other = PatientMark(99, mark.session_start_us, mark.rate_mhz, 0, 0, 0).pack()
    with pytest.raises(ParkedError, match="different sessions"):
        Cutter(RULES, ShardPosition(), [(b"p", other, store.parked[b"p"])])


def test_a_patient_that_was_committed_and_is_not_read_again_keeps_its_mark() -> None:
    cutter, store = restarted(RULES, 12)
    done = step(cutter, [(at(5), [second(5)])])
    assert done.marks == {}
    assert (done.offset, done.facts) == (store.position.offset, {})
