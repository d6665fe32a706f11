"""Who counts as heard: not those whose frames are late as a whole, whoever reads them, and whenever."""

from random import Random

from hypothesis import given, settings

from services.inference.windows import Cutter, Rules, Step
from shared.position import parse_id
from tests.services.inference.windows.reference import Entry, Frame, Store, step
from tests.services.inference.windows.wards import NOW_MS, RULES, logs

FAR = 3_999_999


def second(index: int, name: bytes = b"p") -> Frame:
    return Frame(name, tuple(range(50)), index * 50)


def at(seconds: int) -> str:
    return f"{NOW_MS + seconds * 1000}-0"


def leapt(cutter: Cutter) -> None:
    """p sends five seconds, and then one frame with an index far ahead."""
    for i in range(5):
        assert step(cutter, [(at(i), [second(i)])]).heard.patient == [b"p"]
    assert step(cutter, [(at(5), [second(FAR)])]).heard.patient == [b"p"]


def test_after_a_leap_of_the_index_the_patient_is_not_heard_until_the_time_has_come_there() -> None:
    cutter = Cutter(Rules())
    leapt(cutter)
    for i in range(6, 12):
        done = step(cutter, [(at(i), [second(i), second(i, b"q")])])
        assert done.heard.patient == [b"q"]
        assert done.facts["samples_late"] == 50
    assert step(cutter, [(at(12), [second(FAR + 1)])]).heard.patient == [b"p"]


def test_the_time_of_who_is_heard_is_that_of_the_frame_that_was_not_late() -> None:
    cutter = Cutter(Rules())
    leapt(cutter)
    done = step(cutter, [(at(6), [second(FAR + 1)]), (at(7), [second(6)])])
    assert done.heard.at_us.tolist() == [(NOW_MS + 6000) * 1000]


def test_a_frame_that_is_sent_again_is_heard() -> None:
    cutter = Cutter(Rules())
    step(cutter, [(at(0), [second(0)])])
    done = step(cutter, [(at(1), [second(0)])])
    assert (done.facts["samples_duplicate"], done.heard.patient) == (50, [b"p"])


def test_a_frame_of_which_only_a_part_is_late_is_heard() -> None:
    cutter = Cutter(Rules(stride_us=10_000_000))
    step(cutter, [(at(0), [Frame(b"p", tuple(range(500)))])])
    done = step(cutter, [(at(1), [Frame(b"p", tuple(range(200)), 350)])])
    assert (done.facts["samples_late"], done.heard.patient) == (150, [b"p"])


def test_a_new_session_after_a_leap_is_heard() -> None:
    cutter = Cutter(Rules())
    leapt(cutter)
    done = step(cutter, [(at(6), [Frame(b"p", tuple(range(50)), session=2, start_us=1)])])
    assert done.heard.patient == [b"p"]


def test_who_is_not_heard_is_parked_like_anybody_and_pins_no_memory() -> None:
    # The leap ends where a window does: none is open, so nothing but the frames themselves keeps p in memory.
    cutter = Cutter(Rules(park_after_ms=20_000, stride_us=10_000_000, lateness_us=0))
    leapt(cutter)
    for i in range(6, 60):
        done = step(cutter, [(at(i), [second(i)])])
        assert done.facts["samples_late"] == 50
    for i in range(60, 90):
        step(cutter, [(at(i), [second(i, b"q")])])
    assert [ring.used for ring in cutter.ward.rings.values()] == [1]


def said(done: Step) -> dict[bytes, tuple[int, ...]]:
    heard = done.heard
    rows = zip(heard.session.tolist(), heard.sample_us.tolist(), heard.at_us.tolist(), strict=True)
    return dict(zip(heard.patient, rows, strict=True))


@given(log=logs(), rules=RULES)
@settings(max_examples=25, deadline=None)
def test_another_owner_hears_in_new_entries_whom_the_first_would_have_heard(
    log: tuple[Random, list[Entry]], rules: Rules
) -> None:
    random, entries = log
    taken_over = random.randrange(len(entries) + 1)
    first, store = Cutter(rules), Store()
    heard = []
    for number, entry in enumerate(entries):
        done = step(first, [entry])
        heard.append(said(done))
        if number < taken_over:
            store.commit(done)
    other, rewind = store.cutter(rules), parse_id(store.position.rewind)
    for number, entry in enumerate(entries):
        if parse_id(entry[0]) >= rewind or number >= taken_over:
            again = said(step(other, [entry]))
            if number >= taken_over:
                assert again == heard[number]
            else:  # what had its effect and is read again: nobody who was not heard then
                assert again.keys() <= heard[number].keys()
