"""Whatever happens: no undefined state, one end a beginning, and neither batches, restarts nor replays matter."""

import math
from collections import Counter, defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.alarms import Action, AlarmWard, Alert, Outcome
from services.inference.alarms.slot import NO_TYPE
from services.inference.alarms.table import table
from shared.labels import SCORE_NAMES
from tests.services.inference.alarms.events import Ask, Event, Player, Tick, Window, small_rules
from tests.services.inference.alarms.reference import SlowPatient

PATIENTS = ("ada", "ben", "cleo")
mostly_ada = st.sampled_from(("ada", "ada", "ada", "ben", "cleo"))
A = Action
windows = st.builds(
    Window,
    mi=st.sampled_from([0.0, 0.0, 0.34, 0.35, 0.5, 0.6, 0.6, 0.75, 0.9, 1.0, math.nan]),
    type=st.sampled_from(["IMI", "AMI", "LMI"]),
    likely=st.sampled_from([0.1, 0.6, 0.95]),
    second=st.sampled_from(["", "ALMI"]),
    signal=st.sampled_from(["good"] * 6 + ["lead_off", "poor", "empty"]),
    after_s=st.sampled_from([5.0] * 12 + [20.0, 100.0]),
    patient=mostly_ada,
) | st.builds(
    Window,
    mi=st.sampled_from([0.0, 0.9]),
    after_s=st.sampled_from([-300.0, -2.0, 10.0]),
    patient=st.sampled_from(PATIENTS),
    anew=st.just(True),
)
asks = st.builds(
    Ask,
    st.sampled_from(
        [A.ACKNOWLEDGE] * 5 + [A.END] * 2 + [A.MUTE] * 2 + [A.UNMUTE, A.ADMIT, A.STANDBY, A.DISCHARGE]
    ),
    st.sampled_from(("ada", "ada", "ada", "ben", "nobody")),
    alarm=st.sampled_from([0, 0, 0, 1, 2]),
    types=st.sampled_from([(), ("IMI",), ("AMI", "MI"), SCORE_NAMES]),
    ceiling=st.sampled_from(["", "low", "high"]),
    for_s=st.sampled_from([None, 12.0]),
)
ticks = st.builds(Tick, st.sampled_from([3.0, 25.0, 60.0]), st.sampled_from(PATIENTS))
stories = st.lists(st.one_of(*[windows] * 5, asks, asks, ticks), max_size=45)
rules = st.builds(
    small_rules,
    smoothing=st.sampled_from([1.0, 0.4]),
    on_windows=st.sampled_from([1, 2]),
    latch_timeout_s=st.sampled_from([None, 15.0]),
    refractory_s=st.sampled_from([0.0, 30.0]),
    escalations=st.sampled_from([0, 2]),
)


@settings(deadline=None)
@given(rules, stories)
def test_every_alarm_begins_once_ends_at_most_once_and_moves_by_the_table(
    given_rules: object, story: list[Event]
) -> None:
    played = Player(AlarmWard(given_rules)).play(story)  # type: ignore[arg-type]  # hypothesis' builds is untyped
    by_alarm: dict[str, list[Alert]] = defaultdict(list)
    active: dict[tuple[str, str], str] = {}
    for alert in played.alerts:
        if not alert.alarm:
            assert alert.transition in {"muted", "unmuted"}
            continue
        key = (alert.patient, alert.kind)
        if alert.transition == "began":
            assert key not in active
            active[key] = alert.alarm
        assert active[key] == alert.alarm
        before = by_alarm[alert.alarm][-1].phase if by_alarm[alert.alarm] else None
        moves = table(alert.kind == "mi").items()
        possible = {(pair[0].label, move.to.label, move.says) for pair, move in moves}
        assert before is None or (before, alert.phase, alert.transition) in possible
        by_alarm[alert.alarm].append(alert)
        if alert.transition == "ended":
            del active[key]
    for alerts in by_alarm.values():
        assert [a.transition for a in alerts].count("began") == 1
        assert alerts[0].transition == "began"
    assert {(name.decode(), slot.kind.label): slot.alarm.hex() for name, slot in played.ward.alarms()} == active


@settings(deadline=None)
@given(stories)
def test_no_two_alerts_share_an_id(story: list[Event]) -> None:
    ids = [alert.id for alert in Player(AlarmWard(small_rules())).play(story).alerts]
    assert len(set(ids)) == len(ids)


@settings(deadline=None)
@given(stories)
def test_a_priority_never_falls_while_its_alarm_lasts(story: list[Event]) -> None:
    order = ["none", "low", "medium", "high"]
    highest: dict[str, int] = {}
    for alert in Player(AlarmWard(small_rules())).play(story).alerts:
        if alert.alarm:
            assert order.index(alert.priority) >= highest.get(alert.alarm, 0)
            highest[alert.alarm] = order.index(alert.priority)


@settings(deadline=None)
@given(rules, stories, st.sets(st.integers(0, 60)))
def test_dividing_the_batches_changes_nothing(given_rules: object, story: list[Event], cuts: set[int]) -> None:
    whole, parts = (Player(AlarmWard(given_rules)) for _ in range(2))  # type: ignore[arg-type]
    assert whole.play(story).alerts == parts.play(story, cuts).alerts
    assert whole.ward.changed() == parts.ward.changed()


@settings(deadline=None)
@given(rules, stories, st.sets(st.integers(0, 60), max_size=4))
def test_a_new_owner_goes_on_from_the_committed_bytes(
    given_rules: object, story: list[Event], stops: set[int]
) -> None:
    straight = Player(AlarmWard(given_rules)).play(story)  # type: ignore[arg-type]
    committed: dict[bytes, bytes] = {}
    moved = Player(AlarmWard(given_rules))  # type: ignore[arg-type]
    for i, event in enumerate(story):
        moved.play([event])
        committed |= moved.ward.changed()
        if i in stops:
            moved.ward = AlarmWard(given_rules, committed.items())  # type: ignore[arg-type]
    assert moved.alerts == straight.alerts
    assert committed == straight.ward.changed()
    assert [a.outcome for a in moved.answers] == [a.outcome for a in straight.answers]


@settings(deadline=None)
@given(stories)
def test_windows_that_come_again_say_nothing(story: list[Event]) -> None:
    once, twice = (Player(AlarmWard(small_rules())) for _ in range(2))
    for event in story:
        once.play([event])
        if isinstance(event, Window):
            batch = twice.scored([event])
            twice.alerts += twice.ward.apply(batch, "m-1")
            assert twice.ward.apply(batch, "m-1") == []
        else:
            twice.play([event])
    assert once.alerts == twice.alerts


@settings(deadline=None)
@given(stories)
def test_a_refused_command_changes_nothing(story: list[Event]) -> None:
    played = Player(AlarmWard(small_rules()))
    for event in story:
        played.play([event])
        played.ward.changed()
        if isinstance(event, Ask):
            again = played.ask(event)
            if again.outcome is not Outcome.APPLIED:
                assert again.alerts == ()
                assert played.ward.changed() == {}


@settings(deadline=None)
@given(rules, st.lists(windows, min_size=10, max_size=50))
def test_batches_agree_bit_for_bit_with_one_patient_at_a_time(given_rules: object, story: list[Window]) -> None:
    fast = Player(AlarmWard(given_rules))  # type: ignore[arg-type]
    batch = fast.scored(story)
    slow = {name: SlowPatient(given_rules) for name in PATIENTS}  # type: ignore[arg-type]
    expected: list[Alert] = []
    for i in range(len(batch)):
        row = {name: getattr(batch, name)[i] for name in batch.__slots__}
        expected += slow[story[i].patient].window(bytes(batch.patient[i]), row, "m-1")
    assert fast.ward.apply(batch, "m-1") == expected
    for name, state in fast.ward.changed().items():
        smoothed = np.frombuffer(state, "<f4", len(SCORE_NAMES), offset=48)
        assert smoothed.tolist() == [float(p) for p in slow[name.decode()].probabilities]


def counted(ward: AlarmWard) -> Counter[str]:
    """Everybody, one by one."""
    found: Counter[str] = Counter()
    for name in (*PATIENTS, "nobody"):  # whom a command may have admitted
        standing = ward.standing(name.encode())
        if standing is not None:
            found[f"patients|{standing.status.label}"] += 1
            found["muted"] += standing.mute is not None
    for _, slot in ward.alarms():
        type_ = "" if slot.type == NO_TYPE else SCORE_NAMES[slot.type]
        found[f"active|{slot.kind.label}|{type_}|{slot.priority.label}|{slot.phase.label}"] += 1
    return +found


@settings(deadline=None, max_examples=40)
@given(stories, st.sets(st.integers(0, 45), max_size=4))
def test_the_sum_of_all_changes_is_how_many_patients_and_alarms_there_are(
    story: list[Event], stops: set[int]
) -> None:
    played, states, total = Player(AlarmWard(small_rules())), dict[bytes, bytes](), Counter[str]()
    for i, event in enumerate(story):
        played.play([event])
        if i in stops:  # another owner goes on from what was committed
            states |= played.ward.changed()
            total.update(played.ward.census())
            assert +total == counted(played.ward)
            played.ward = AlarmWard(small_rules(), states.items())
            assert played.ward.census() == Counter()
    total.update(played.ward.census())
    assert +total == counted(played.ward)
    assert not -total
