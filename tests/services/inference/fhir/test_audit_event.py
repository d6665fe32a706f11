"""Every entry of the audit as an AuditEvent, against the published structure."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.alarms import Action, Command, Outcome
from services.inference.alarms.commands import CEILINGS
from services.inference.fhir.audit_event import SUCCESSES, audit_event
from services.inference.monitor.saying import audited
from shared.labels import SCORE_NAMES
from tests.services.inference.fhir.published import checked

SYSTEM = "http://hospital.example/mrn"
NAMES = st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1, max_size=8).filter(str.strip)
ENTRIES = st.tuples(st.integers(0, 4 * 10**12), st.integers(0, 2**64 - 1)).map(lambda at: f"{at[0]}-{at[1]}")
ALARM = "0123456789abcdef" * 2


def kept(draw: st.DrawFn, body: bytes) -> dict[str, Any]:
    """As the API shows what the owner of a shard has written."""
    view: dict[str, Any] = json.loads(body)
    return view | {"applied_ms": draw(st.integers(0, 4 * 10**12)), "shard": draw(st.integers(0, 4095))}


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    action = draw(st.sampled_from(Action))
    closing = action in {Action.ACKNOWLEDGE, Action.END}
    command = Command(
        id=draw(ENTRIES),
        action=action,
        patient=draw(st.just("") | NAMES) if closing else draw(NAMES),
        who=draw(NAMES),
        why=draw(st.just("") | NAMES),
        alarm=ALARM if closing else "",
        types=tuple(draw(st.lists(st.sampled_from(SCORE_NAMES), max_size=2))),
        ceiling=draw(st.sampled_from(("", *CEILINGS))),
        for_s=draw(st.none() | st.floats(1, 1e6)),
        device=draw(st.sampled_from(("", "band 7"))),
    )
    outcome = draw(st.sampled_from(Outcome)).value
    return kept(draw, audited(command.id, json.loads(command.to_json()), outcome, ""))


@settings(max_examples=60, deadline=None)
@given(entries())
def test_every_command_is_a_valid_audit_event_that_says_who_what_about_whom_and_why(entry: dict[str, Any]) -> None:
    made = audit_event(entry, SYSTEM)
    valid = checked(made)
    (agent,) = valid.agent
    assert (agent.who.display, agent.requestor) == (entry["who"], True)
    assert valid.subtype[0].code == entry["action"]
    assert (valid.outcome == "0") == (entry["outcome"] in {"applied", "already"})
    assert round(valid.recorded.timestamp() * 1000) == entry["applied_ms"]
    named = {(part.what.identifier.system, part.what.identifier.value) for part in valid.entity}
    assert ((SYSTEM, entry["patient"]) in named) == bool(entry["patient"])
    assert any(value == ALARM for _, value in named) == bool(entry["alarm"])
    detail = {each.type: each.valueString for each in valid.entity[-1].detail or ()}
    assert detail.get("why", "") == entry["why"]
    assert detail.get("types", "").split() == entry["types"]


@settings(max_examples=20, deadline=None)
@given(st.data(), ENTRIES)
def test_a_command_that_could_not_be_read_is_a_valid_failure_of_nobody_known(data: st.DataObject, at: str) -> None:
    entry = kept(data.draw, audited(at, {}, "malformed", "command 1-1 cannot be read"))
    valid = checked(audit_event(entry, SYSTEM))
    assert (valid.outcome, valid.outcomeDesc) == ("4", "malformed: command 1-1 cannot be read")
    assert valid.agent[0].who is None
    assert len(valid.entity) == 1


def test_what_counts_as_success_is_an_outcome() -> None:
    assert {outcome.value for outcome in Outcome} > SUCCESSES
