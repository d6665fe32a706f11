"""Commands over HTTP, applied by the owner: effect, audit, and what a repeat does."""

import json
import uuid
from dataclasses import replace
from typing import Any

import httpx
import pytest

from services.inference.api import reading
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.worker import Worker
from shared.redis.connection import connect
from shared.shards import commands_key, shard_of
from tests.services.inference.api.conftest import SHARDS, Monitored, served, settings_of
from tests.waiting import until

WHO = {"who": "nurse Å", "why": "a test"}


def a_patient(web: httpx.Client, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = web.get("/api/patients", params=query).json()["patients"][0]
    return found


def new_name() -> str:
    return f"expected-{uuid.uuid4().hex[:12]}"


def test_an_alarm_is_acknowledged_by_its_owner_and_the_audit_says_who(web: httpx.Client) -> None:
    patient = a_patient(web, alarm="mi")
    alarm = next(a for a in patient["alarms"] if a["kind"] == "mi")
    where = f"/api/patients/{patient['patient']}/alarms/{alarm['alarm']}/acknowledge"
    said = web.post(where, json=WHO)
    assert said.status_code == 200
    now = web.get(f"/api/patients/{patient['patient']}").json()
    left = [a["phase"] for a in now["alarms"] if a["alarm"] == alarm["alarm"]]
    assert left in (["acknowledged"], [])  # latched before: answered, it has ended
    assert now["audit"][0]["who"] == WHO["who"]
    assert now["audit"][0]["command"] == said.json()["command"]
    newest = web.get("/api/alerts", params={"patient": patient["patient"], "limit": 1}).json()["alerts"][0]
    assert (newest["alarm"], newest["who"]) == (alarm["alarm"], WHO["who"])


def test_an_alarm_that_is_not_active_is_a_conflict(web: httpx.Client) -> None:
    name = a_patient(web)["patient"]
    said = web.post(f"/api/patients/{name}/alarms/{'0' * 32}/end", json=WHO)
    assert said.status_code == 409
    assert said.json() == {"error": "no such alarm is active"}
    assert web.post(f"/api/system/alarms/{'0' * 32}/acknowledge", json=WHO).status_code == 409


def test_a_patient_of_whom_nothing_was_heard_is_expected_listed_and_given_a_device(web: httpx.Client) -> None:
    name = new_name()
    assert web.put(f"/api/patients/{name}/device", json=WHO | {"device": "D1"}).status_code == 404
    assert web.post(f"/api/patients/{name}/admit", json=WHO).json()["outcome"] == "applied"
    assert web.put(f"/api/patients/{name}/device", json=WHO | {"device": "D1"}).json()["outcome"] == "applied"
    assert web.put(f"/api/patients/{name}/device", json=WHO | {"device": "D1"}).json()["outcome"] == "already"
    listed = a_patient(web, search=name)
    assert (listed["status"], listed["device"], listed["outcome"]) == ("admitted", "D1", None)
    assert a_patient(web, search="d1")["patient"] == name
    audit = web.get(f"/api/patients/{name}").json()["audit"]
    assert [(a["action"], a["outcome"]) for a in audit[:2]] == [("device", "already"), ("device", "applied")]
    assert web.put(f"/api/patients/{name}/device", json=WHO | {"device": ""}).json()["outcome"] == "applied"
    assert a_patient(web, search=name)["device"] == ""
    assert web.post(f"/api/patients/{name}/discharge", json=WHO).json()["outcome"] == "applied"
    assert a_patient(web, search=name)["status"] == "discharged"
    assert web.put(f"/api/patients/{name}/device", json=WHO | {"device": "D2"}).status_code == 404


def test_standby_and_mute_show_and_go_again(web: httpx.Client) -> None:
    name = new_name()
    web.post(f"/api/patients/{name}/admit", json=WHO)
    wish = {"types": ["IMI"], "ceiling": "low", "for_s": 3600}
    assert web.post(f"/api/patients/{name}/mute", json=WHO | wish).json()["outcome"] == "applied"
    one = web.get(f"/api/patients/{name}").json()
    assert one["muted"]
    assert (one["mutes"][0]["types"], one["mutes"][0]["ceiling"]) == (["IMI"], "low")
    assert web.post(f"/api/patients/{name}/unmute", json=WHO).json()["outcome"] == "applied"
    assert not web.get(f"/api/patients/{name}").json()["muted"]
    assert web.post(f"/api/patients/{name}/standby", json=WHO).json()["outcome"] == "applied"
    assert name in [p["patient"] for p in web.get("/api/patients?status=standby").json()["patients"]]
    web.post(f"/api/patients/{name}/discharge", json=WHO)


def test_a_repeat_under_an_idempotency_key_is_the_same_command(monitored: Monitored, web: httpx.Client) -> None:
    name, key = new_name(), {"Idempotency-Key": uuid.uuid4().hex}
    first = web.post(f"/api/patients/{name}/admit", json=WHO, headers=key)
    again = web.post(f"/api/patients/{name}/admit", json=WHO, headers=key)
    assert first.json() == again.json()
    assert len(web.get("/api/audit", params={"patient": name}).json()["audit"]) == 1
    other = web.post(f"/api/patients/{name}/admit", json={"who": "somebody else"}, headers=key)
    assert other.status_code == 422
    web.post(f"/api/patients/{name}/discharge", json=WHO)


def test_what_nobody_applies_is_pending_and_found_under_its_address(redis_url: str, monitored: Monitored) -> None:
    from services.inference.api.access import Access
    from services.inference.api.app import make_app

    app = make_app(lambda: connect(redis_url), settings_of("api.command_wait_s=0.1"), monitored.folder, Access())
    with served(app) as url, httpx.Client(base_url=url) as alone:
        said = alone.post("/api/patients/x/admit", json=WHO)
        assert said.status_code == 202
        assert said.json()["outcome"] == "pending"
        assert alone.get(said.json()["where"]).json()["outcome"] == "pending"
        with connect(redis_url) as client:
            ((_, fields),) = client.xrange(commands_key(shard_of(b"x", SHARDS)))  # type: ignore[misc]  # sync client
        assert json.loads(fields[b"body"])["who"] == WHO["who"]


def test_a_command_is_found_under_its_address_after_it_was_applied(web: httpx.Client) -> None:
    name = new_name()
    said = web.post(f"/api/patients/{name}/admit", json=WHO).json()
    shard = shard_of(name.encode(), SHARDS)
    assert web.get(f"/api/commands/{shard}/{said['command']}").json() == said
    web.post(f"/api/patients/{name}/discharge", json=WHO)


@pytest.mark.parametrize(
    "body",
    [{}, {"who": ""}, {"who": "  "}, {"who": "x" * 501}, {"who": "x", "why": 3}, {"who": "x", "more": 1}, [], "x"],
)
def test_a_command_without_a_name_or_with_nonsense_is_refused_in_a_line(web: httpx.Client, body: Any) -> None:
    said = web.post("/api/patients/x/admit", json=body)
    assert said.status_code == 422
    assert list(said.json()) == ["error"]


def test_a_refused_mute_names_what_is_wrong_with_it(web: httpx.Client) -> None:
    said = web.post("/api/patients/x/mute", json=WHO | {"types": ["NOPE"]})
    assert said.status_code == 422
    assert "unknown type" in said.json()["error"]


def test_commands_are_counted_by_outcome(monitored: Monitored, web: httpx.Client) -> None:
    before = reading.counters(monitored.client, SHARDS)["commands|applied"]
    name = new_name()
    web.post(f"/api/patients/{name}/admit", json=WHO)
    web.post(f"/api/patients/{name}/discharge", json=WHO)
    assert reading.counters(monitored.client, SHARDS)["commands|applied"] == before + 2


def test_a_system_alarm_is_shown_and_acknowledged_wherever_it_is(redis_url: str, monitored: Monitored) -> None:
    more = ("alarm.stream_lost_s=1", "alarm.gather_s=0")
    worker = Worker(PullLoop(redis_url, settings_of(*more), "other", monitored.engine))
    worker.start()
    with connect(redis_url) as client:
        ward = replace(monitored, url=redis_url, client=client)
        ward.ingest(20)
        with served(ward.app(*more)) as url, httpx.Client(base_url=url, timeout=20) as web:
            until(lambda: web.get("/api/summary").json()["system"], "a system alarm")
            (alarm,) = web.get("/api/summary").json()["system"]
            assert (alarm["kind"], alarm["phase"]) == ("system_silent", "raised")
            where = f"/api/system/alarms/{alarm['alarm']}/acknowledge"
            assert web.post(where, json=WHO).json()["outcome"] == "applied"
            assert web.post(where, json=WHO).json()["outcome"] == "already"
            assert web.get("/api/summary").json()["system"][0]["phase"] == "acknowledged"
    assert worker.stop(20)
