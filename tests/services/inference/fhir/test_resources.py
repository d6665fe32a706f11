"""Alerts of every kind and transition as FHIR resources, against the published structure."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.alarms.alert import Alert
from services.inference.alarms.terms import Cause, Kind, Phase, Priority, Transition
from services.inference.fhir.bundle import outcome, searchset
from services.inference.fhir.capability import capability_statement
from services.inference.fhir.communication import PRIORITIES, QUIET, communication
from services.inference.fhir.observation import observation
from shared.labels import SCORE_NAMES
from shared.quality import REASONS
from tests.services.inference.fhir.published import checked

SYSTEM = "http://hospital.example/mrn"
# What people and devices may be called: anything but controls.
NAMES = st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1, max_size=8)
PROBABILITIES = st.tuples(*[st.floats(0, 1)] * len(SCORE_NAMES))
IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)
TIMES_US = st.integers(0, 4 * 10**15)


@st.composite
def alerts(draw: st.DrawFn) -> dict[str, Any]:
    """A committed alert as the API shows it."""
    by_person = draw(st.booleans())
    alert = Alert(
        id=draw(IDS),
        alarm=draw(st.just("") | IDS),
        patient=draw(st.just("") | NAMES.filter(str.strip)),
        kind=draw(st.sampled_from(Kind)).label,
        transition=draw(st.sampled_from(Transition)).value,
        cause=draw(st.sampled_from(Cause)).value,
        phase=draw(st.sampled_from(Phase)).label,
        priority=draw(st.sampled_from(Priority)).label,
        type=draw(st.sampled_from(("", *SCORE_NAMES))),
        time_us=draw(TIMES_US),
        began_us=draw(TIMES_US),
        session=draw(st.integers(0, 2**64 - 1)),
        window=draw(st.integers(-1, 2**40)),
        close=tuple(draw(st.lists(st.sampled_from(SCORE_NAMES), max_size=2))),
        scores=draw(st.none() | PROBABILITIES),
        evidence=draw(st.none() | PROBABILITIES),
        quality=draw(st.none() | st.floats(0, 1)),
        reasons=tuple(draw(st.lists(st.sampled_from([reason.label for reason in REASONS]), max_size=2))),
        model=draw(st.sampled_from(("", "selfmis:1"))),
        who=draw(NAMES.filter(str.strip)) if by_person else "",
        why=draw(st.just("") | NAMES.filter(str.strip)) if by_person else "",
    )
    body = alert.to_dict() | {"strip": None, "committed_ms": draw(st.integers(0, 4 * 10**12)), "shard": 3}
    counts = draw(st.none() | st.lists(st.integers(-32768, 32767), min_size=1, max_size=9))
    if counts is not None:
        raw = np.asarray(counts, "<i2").tobytes()
        body["strip"] = {"rate_hz": 100, "uv_per_lsb": 1.0, "int16": base64.b64encode(raw).decode()}
        body |= draw(st.sampled_from(({}, *({"polarity": word} for word in ("upright", "inverted", None)))))
    read: dict[str, Any] = json.loads(json.dumps(body))
    return read


@settings(max_examples=60, deadline=None)
@given(alerts())
def test_every_alert_is_a_valid_communication_that_names_the_patient_by_identifier_alone(
    alert: dict[str, Any],
) -> None:
    made = communication(alert, SYSTEM)
    valid = checked(made)
    assert (valid.id, valid.status) == (alert["id"], "completed")
    assert valid.meta.security[0].code == "HRESCH"
    subject = made.get("subject")
    assert subject == (
        {"type": "Patient", "identifier": {"system": SYSTEM, "value": alert["patient"]}}
        if alert["patient"]
        else None
    )
    assert made["category"][1]["coding"][0]["code"] == alert["transition"]
    assert ("upside down" in made["payload"][0]["contentString"]) == (alert.get("polarity") == "inverted")
    referenced = len(made["payload"]) == 2
    assert referenced == (observation(alert, SYSTEM, "I") is not None)


@settings(max_examples=60, deadline=None)
@given(alerts())
def test_every_observation_is_valid_and_gives_samples_and_scores_back(alert: dict[str, Any]) -> None:
    made = observation(alert, SYSTEM, "II")
    if made is None:
        assert not alert["strip"]
        assert alert["scores"] is None
        assert alert["quality"] is None
        return
    valid = checked(made)
    assert valid.status == "preliminary"
    assert any("upside down" in note["text"] for note in made["note"]) == (alert.get("polarity") == "inverted")
    found = {part["code"]["coding"][0]["code"]: part for part in made["component"]}
    if alert["strip"]:
        sampled = found["131330"]["valueSampledData"]
        counts = np.frombuffer(base64.b64decode(alert["strip"]["int16"]), "<i2")
        assert [int(word) for word in sampled["data"].split(" ")] == counts.tolist()
        assert (sampled["period"], sampled["factor"]) == (10.0, 1.0)
    for name, value in (alert["scores"] or {}).items():
        assert found[name]["valueQuantity"]["value"] == pytest.approx(value, abs=1e-6)


def test_the_strip_ends_with_the_window_it_is_of() -> None:
    raw = base64.b64encode(np.zeros(1000, "<i2").tobytes()).decode()
    alert = {"id": "0" * 32, "patient": "a", "time_us": 20_000_000, "committed_ms": 21_000, "model": ""}
    alert |= {"scores": None, "evidence": None, "quality": None}
    alert["strip"] = {"rate_hz": 100, "uv_per_lsb": 1.0, "int16": raw}
    period = checked(observation(alert, SYSTEM, "I") or {}).effectivePeriod
    assert period.start == datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert period.end == datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC)


def test_only_what_asks_for_something_is_pressing() -> None:
    assert set(PRIORITIES) == {level.label for level in Priority} - {"none"}
    assert {word.value for word in Transition} >= QUIET


def test_the_capability_statement_and_empty_pages_and_refusals_are_valid() -> None:
    checked(capability_statement("http://127.0.0.1:8000/fhir"))
    checked(searchset([], "http://h/fhir", "http://h/fhir/Communication", None))
    for status in (400, 401, 403, 404, 405, 408, 413, 422, 429, 500, 503):
        checked(outcome(status, "a line"))
