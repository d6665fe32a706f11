"""What alarms are worth against a ground truth, worked out by hand."""

from typing import Any

import pytest

from deploy.demo.verdict import verdict

START = 1_000_000_000_000


def patient(
    name: str, kind: str, *, onset_s: float | None = None, effects: tuple[str, ...] = ()
) -> dict[str, Any]:
    episodes = []
    if onset_s:
        episodes.append({"label": "NORM", "start_s": 0.0, "stop_s": onset_s})
    episodes.append({"label": kind, "start_s": onset_s or 0.0, "stop_s": None})
    episodes += [{"label": f"effect:{effect}", "start_s": 0.0, "stop_s": None} for effect in effects]
    return {"patient": name, "kind": kind, "session_start_us": START, "episodes": episodes}


def alert(
    name: str, second: float, *, kind: str = "mi", type_: str = "IMI", transition: str = "began"
) -> dict[str, Any]:
    return {
        "patient": name,
        "time_us": START + int(second * 1e6),
        "kind": kind,
        "type": type_,
        "transition": transition,
    }


UNTIL = START + 600 * 1_000_000


def test_an_alarm_after_the_onset_is_a_detection_and_its_delay_counts() -> None:
    found = verdict([patient("a", "IMI", onset_s=100)], [alert("a", 130)], UNTIL)
    assert (found.infarcts, found.detected, found.missed, found.right_type) == (1, 1, 0, 1)
    assert found.time_to_detection_s == 30.0


def test_an_alarm_before_the_onset_is_false_and_detects_nothing() -> None:
    found = verdict([patient("a", "IMI", onset_s=100)], [alert("a", 50)], UNTIL)
    assert (found.detected, found.missed, found.false_alarms) == (0, 1, 1)
    assert found.false_by_kind == {"NORM": 1}
    assert found.missed_by_type == {"IMI": 1}


def test_a_wrong_type_is_a_detection_but_not_a_right_type() -> None:
    found = verdict([patient("a", "AMI", onset_s=10)], [alert("a", 30, type_="IMI")], UNTIL)
    assert (found.detected, found.right_type) == (1, 0)


def test_false_alarms_are_counted_by_what_the_patient_really_had() -> None:
    patients = [patient("a", "NORM", effects=("motion",)), patient("b", "LVH"), patient("c", "LVH")]
    found = verdict(patients, [alert("a", 10), alert("b", 10), alert("c", 20), alert("c", 300)], UNTIL)
    assert found.false_by_kind == {"LVH": 3, "NORM": 1}


def test_an_onset_after_the_end_is_neither_found_nor_missed() -> None:
    assert verdict([patient("a", "IMI", onset_s=700)], [], UNTIL).infarcts == 0


def test_an_infarct_from_the_start_is_one_with_onset_zero() -> None:
    assert verdict([patient("a", "IMI")], [alert("a", 12)], UNTIL).time_to_detection_s == 12.0


def test_technical_alarms_and_later_transitions_are_no_mi_alarms() -> None:
    alerts = [alert("a", 10, kind="lead_off"), alert("a", 20, transition="escalated")]
    alerts += [alert("a", 30, kind="stream_lost"), alert("", 40, kind="system_silent")]
    found = verdict([patient("a", "NORM")], alerts, UNTIL)
    assert (found.false_alarms, found.technical_alarms) == (0, 3)


def test_the_rate_of_false_alarms_is_per_hour_watched() -> None:
    patients = [patient(name, "NORM") for name in "abc"]
    found = verdict(patients, [alert("a", 10)], UNTIL)
    assert found.patient_hours == pytest.approx(0.5)
    assert found.false_per_patient_hour == pytest.approx(2.0)
