"""FHIR over HTTP: everything committed is found, page by page, valid, and refusals are FHIR's, too."""

from typing import Any

import httpx
import pytest

from services.inference.api import reading
from tests.services.inference.api.conftest import SHARDS, Monitored, served
from tests.services.inference.fhir.published import checked

TYPE = "application/fhir+json"
SYSTEM = "http://selfmis-monitor.invalid/fhir/patient"


def committed(monitored: Monitored) -> list[dict[str, Any]]:
    """All alerts, oldest first."""
    return reading.alerts(monitored.client, SHARDS, 100_000)[::-1]


def resource(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """A valid resource out of an answer."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, TYPE)
    said: dict[str, Any] = answer.json()
    checked(said)
    return said


def pages(web: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """Every Communication of a search, following the links."""
    found, address = [], str(httpx.URL("/fhir/Communication", params=query))
    while address:
        bundle = resource(web.get(address))
        found += [entry["resource"] for entry in bundle.get("entry", [])]
        address = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
    return found


@pytest.mark.parametrize("count", [3, 200])
def test_by_pages_every_alert_is_found_once(monitored: Monitored, web: httpx.Client, count: int) -> None:
    found = pages(web, _count=count)
    assert sorted(each["id"] for each in found) == sorted(alert["id"] for alert in committed(monitored))
    assert [each["sent"] for each in found] == sorted(each["sent"] for each in found)


def test_a_time_and_a_patient_narrow_it(monitored: Monitored, web: httpx.Client) -> None:
    every = committed(monitored)
    everything = {each["id"]: each for each in pages(web)}
    middle = every[len(every) // 2]
    sent, patient = everything[middle["id"]]["sent"], middle["patient"]
    for prefix, fits in (("ge", int.__ge__), ("lt", int.__lt__), ("eq", int.__eq__)):
        expected = {alert["id"] for alert in every if fits(alert["committed_ms"], middle["committed_ms"])}
        assert {each["id"] for each in pages(web, sent=f"{prefix}{sent}", _count=7)} == expected
    of_patient = {each["id"] for each in pages(web, **{"subject:identifier": f"{SYSTEM}|{patient}", "_count": 2})}
    assert of_patient == {alert["id"] for alert in every if alert["patient"] == patient}
    assert not pages(web, **{"subject:identifier": f"http://other.example|{patient}"})
    assert [each["id"] for each in pages(web, _id=middle["id"])] == [middle["id"]]


def test_one_alert_and_what_it_rests_on_are_read_by_the_alerts_id(monitored: Monitored, web: httpx.Client) -> None:
    with_strip = next(alert for alert in committed(monitored) if alert["strip"])
    said = resource(web.get(f"/fhir/Communication/{with_strip['id']}"))
    assert said == next(each for each in pages(web) if each["id"] == with_strip["id"])
    rests_on = resource(web.get(f"/fhir/{said['payload'][1]['contentReference']['reference']}"))
    assert len(rests_on["component"][0]["valueSampledData"]["data"].split()) == 1000


def test_what_the_endpoint_can_do_is_stated(web: httpx.Client) -> None:
    stated = resource(web.get("/fhir/metadata"))
    assert {each["type"] for each in stated["rest"][0]["resource"]} == {"Communication", "Observation"}
    for each in stated["rest"][0]["resource"][0]["searchParam"]:
        assert web.get("/fhir/Communication", params={each["name"]: "?"}).status_code == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fhir", 404),
        ("/fhir/Patient/x", 404),
        ("/fhir/Communication/x", 404),
        (f"/fhir/Observation/{'0' * 32}", 404),
        ("/fhir/Communication?_sort=-sent", 400),
        ("/fhir/Communication?_cursor=x", 422),
    ],
)
def test_refusals_are_operation_outcomes(web: httpx.Client, path: str, status: int) -> None:
    assert resource(web.get(path), status)["resourceType"] == "OperationOutcome"


def test_the_gate_and_other_methods_speak_fhir_below_it_and_only_there(monitored: Monitored) -> None:
    token = "view-token-0123456789"
    with served(monitored.app(f"api.view_token={token}")) as url, httpx.Client(base_url=url) as web:
        said = web.get("/fhir/Communication")
        assert resource(said, 401)["issue"][0]["code"] == "login"
        assert said.headers["WWW-Authenticate"] == "Bearer"
        bearing = {"Authorization": f"Bearer {token}"}
        resource(web.get("/fhir/Communication", headers=bearing))
        resource(web.post("/fhir/Communication", headers=bearing, json={}), 403)
        assert list(web.get("/api/alerts").json()) == ["error"]
    with served(monitored.app()) as url, httpx.Client(base_url=url) as web:
        resource(web.post("/fhir/Communication", json={}), 405)
