"""The table against its page, the machine against the table, and what travels: alerts, commands, state."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.alarms import (
    Action,
    AlarmWard,
    Alert,
    AlertError,
    Cause,
    Command,
    CommandError,
    StateError,
)
from services.inference.alarms.slot import Slot, move
from services.inference.alarms.table import LATCHING, NOT_LATCHING, Table, markdown, table
from services.inference.alarms.terms import NEVER_US, Kind, Phase, Priority, Trigger
from shared.errors import SelfmisError
from shared.sections import AlarmSettings
from shared.settings import SettingsError, load
from tests.services.inference.alarms.events import Ask, Player, Window, player, small_rules

PAGE = Path(__file__).resolve().parents[4] / "docs" / "alarms.md"


@pytest.mark.parametrize("moves", [LATCHING, NOT_LATCHING], ids=["physiological", "technical"])
def test_the_page_shows_the_table_of_the_code(moves: Table) -> None:
    assert markdown(moves) in PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_setting() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in AlarmSettings.model_fields if f"`{name}`" not in text] == []


@pytest.mark.parametrize("kind", [Kind.MI, Kind.LEAD_OFF])
@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("trigger", Trigger)
def test_the_machine_goes_where_the_table_says(kind: Kind, phase: Phase, trigger: Trigger) -> None:
    course = small_rules(latch_timeout_s=5.0).courses[kind]
    slot = Slot(kind) if phase is Phase.IDLE else Slot(kind, phase, Priority.LOW, Priority.LOW, 0, alarm=b"x" * 16)
    moved = move(slot, trigger, Cause.PERSON, 1000, course)
    expected = table(course.latching).get((phase, trigger))
    assert (moved and (moved.slot.phase, moved.says)) == expected


@pytest.mark.parametrize("moves", [LATCHING, NOT_LATCHING])
def test_only_an_end_leads_out_of_an_active_alarm(moves: Table) -> None:
    quiet = {Phase.IDLE, Phase.REFRACTORY}
    for (phase, _), move_ in moves.items():
        assert (phase not in quiet and move_.to in quiet) == (move_.says == "ended")
        assert (phase in quiet and move_.to not in quiet) == (move_.says == "began")


def eventful() -> Player:
    """A patient with an alarm of each kind and a mute."""
    played = player(latch_timeout_s=99.0)
    played.windows(Window(0.9), Window(signal="lead_off"), Window(signal="poor"))
    played.ask(Ask(Action.MUTE, types=("AMI", "MI"), ceiling="low", for_s=60.0))
    return played


def test_an_alert_survives_json() -> None:
    for alert in eventful().alerts:
        assert Alert.from_json(alert.to_json()) == alert


def test_an_alert_names_its_scores_in_json() -> None:
    first = json.loads(eventful().alerts[0].to_json())
    assert list(first["scores"])[-1] == "MI"
    assert first["session"] == "1"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"id": 1}'])
def test_what_is_no_alert_is_refused(body: bytes) -> None:
    with pytest.raises(AlertError):
        Alert.from_json(body)


def command(**changes: object) -> Command:
    values: dict[str, object] = {"id": "1-1", "action": Action.MUTE, "patient": "ada", "who": "nurse"} | changes
    return Command(**values)  # type: ignore[arg-type]  # wrong values are the point


@pytest.mark.parametrize(
    "asked",
    [
        command(types=("IMI", "MI"), ceiling="low", for_s=3.5, why="old infarct, 2019"),
        command(action=Action.ACKNOWLEDGE, alarm="0f" * 16, time_us=5),
        command(action=Action.END, alarm="0f" * 16, patient=""),
        command(action=Action.ADMIT, patient="Ñandú"),
    ],
)
def test_a_command_survives_the_stream(asked: Command) -> None:
    assert Command.from_json(asked.id, asked.to_json()) == asked


@pytest.mark.parametrize(
    "changes",
    [
        {"patient": ""},
        {"patient": "x" * 33},
        {"patient": "\ud800"},
        {"id": ""},
        {"who": "  "},
        {"why": "x" * 501},
        {"action": Action.ACKNOWLEDGE},
        {"action": Action.END, "alarm": "G" * 32},
        {"types": ("XMI",)},
        {"ceiling": "none"},
        {"for_s": 0},
        {"for_s": float("nan")},
        {"for_s": 1e12},
    ],
)
def test_a_command_that_means_nothing_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(SelfmisError):
        command(**changes)


@settings(deadline=None)
@given(
    st.binary(max_size=40) | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_what_is_no_command_is_refused(body: bytes) -> None:
    with pytest.raises(CommandError):
        Command.from_json("1-1", body)


@pytest.mark.parametrize("field", ["action", "patient", "who", "why", "time_us", "types", "for_s", "alarm"])
@pytest.mark.parametrize("wrong", [[1], {}, True, 1e99])
def test_a_command_with_a_field_of_a_wrong_type_is_refused(field: str, wrong: object) -> None:
    body = json.loads(command().to_json()) | {field: wrong}
    with pytest.raises(CommandError):
        Command.from_json("1-1", json.dumps(body).encode())


def test_a_patient_who_is_well_takes_120_bytes() -> None:
    played = player()
    played.windows(Window(0.1))
    assert [len(state) for state in played.ward.changed().values()] == [120]


def test_only_who_changed_is_written_again() -> None:
    played = player()
    played.windows(Window(0.1), Window(0.1, patient="ben"))
    played.ward.changed()
    played.windows(Window(0.1, patient="ben"))
    assert list(played.ward.changed()) == [b"ben"]


@settings(deadline=None)
@given(st.data())
def test_damaged_state_is_refused_or_read_but_nothing_else(data: st.DataObject) -> None:
    (state,) = eventful().ward.changed().values()
    cut = data.draw(st.integers(0, len(state)))
    damaged = bytearray(state[:cut]) if data.draw(st.booleans()) else bytearray(state)
    for at in data.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=4)):
        if damaged:
            damaged[at] = data.draw(st.integers(0, 255))
    try:
        ward = AlarmWard(small_rules(), [(b"ada", bytes(damaged))])
    except StateError:
        return
    assert len(damaged) == len(state)
    assert len(ward) == 1


@pytest.mark.parametrize("state", [b"", b"\x02" * 120, b"\x01" * 119])
def test_state_of_another_program_is_refused(state: bytes) -> None:
    with pytest.raises(StateError, match="not ours"):
        AlarmWard(small_rules(), [(b"ada", state)])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("alarm.low=0.2", "settings of alarm: must be off < low"),
        ("alarm.on_windows=6", "on_windows must be at most of_windows"),
        ("alarm.of_windows=8", "off_windows must be above 5"),
        ("alarm.technical_off_windows=1", "technical_off_windows must be above 1"),
        ("alarm.latch_timeout_s=inf", "less than or equal"),
        ("alarm.of_windows=33", "less than or equal"),
    ],
)
def test_impossible_rules_are_refused_before_anything_starts(override: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(environ={}, overrides=[override])


def test_what_never_comes_is_never_due() -> None:
    assert small_rules().courses[Kind.MI].latch_timeout_us == NEVER_US
