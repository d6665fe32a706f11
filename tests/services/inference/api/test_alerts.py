"""Alerts as a list: filters, pages, cursors; always against all that was committed."""

from typing import Any

import httpx
import pytest

from services.inference.api import reading
from tests.services.inference.api.conftest import SHARDS, Monitored


def committed(monitored: Monitored) -> list[dict[str, Any]]:
    """All alerts, newest first."""
    return reading.alerts(monitored.client, SHARDS, 100_000)


def test_the_list_is_newest_first_and_complete(monitored: Monitored, web: httpx.Client) -> None:
    every, shown = committed(monitored), web.get("/api/alerts?limit=1000").json()["alerts"]
    assert shown == every
    assert len(every) > 10, "no alerts, nothing proved"
    times = [alert["committed_ms"] for alert in every]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    "field_and_value", [("kind", "mi"), ("kind", "lead_off"), ("priority", "low"), ("transition", "began")]
)
def test_a_filter_gives_exactly_those_that_fit(
    monitored: Monitored, web: httpx.Client, field_and_value: tuple[str, str]
) -> None:
    field, value = field_and_value
    fitting = [alert for alert in committed(monitored) if alert[field] == value]
    assert web.get("/api/alerts", params={field: value, "limit": 1000}).json()["alerts"] == fitting
    assert fitting
    assert web.get("/api/alerts", params={field: value, "limit": 3}).json()["alerts"] == fitting[:3]


def test_a_patients_alerts_are_found_in_their_shard(monitored: Monitored, web: httpx.Client) -> None:
    every = committed(monitored)
    name = every[0]["patient"]
    found = web.get("/api/alerts", params={"patient": name, "limit": 1000}).json()["alerts"]
    assert found == [alert for alert in every if alert["patient"] == name]


def test_pages_backwards_by_time_meet_without_a_gap(monitored: Monitored, web: httpx.Client) -> None:
    every = committed(monitored)
    middle = every[len(every) // 2]["committed_ms"]
    older = web.get("/api/alerts", params={"before_us": middle * 1000, "limit": 1000}).json()["alerts"]
    assert older == [alert for alert in every if alert["committed_ms"] < middle]


@pytest.mark.parametrize("page", [1, 7, 1000])
def test_pages_forward_from_the_first_cursor_give_everything_once(
    monitored: Monitored, web: httpx.Client, page: int
) -> None:
    every = committed(monitored)
    from services.inference.api.cursor import Cursor

    cursor, found = Cursor(SHARDS).text(), []
    while True:
        said = web.get("/api/alerts", params={"since": cursor, "limit": page}).json()
        cursor = said["cursor"]
        found += reversed(said["alerts"])
        if not said["alerts"]:
            break
    assert sorted(a["id"] for a in found) == sorted(a["id"] for a in every)
    assert [a["committed_ms"] for a in found] == sorted(a["committed_ms"] for a in found)


def test_one_alert_is_found_by_its_id_in_whichever_shard(monitored: Monitored, web: httpx.Client) -> None:
    every = committed(monitored)
    for alert in (every[0], every[-1]):
        assert web.get(f"/api/alerts/{alert['id']}").json() == alert
    assert web.get(f"/api/alerts/{'0' * 32}").status_code == 404


def test_a_text_that_is_no_cursor_is_refused_in_a_line(web: httpx.Client) -> None:
    for text in ("x", "AAAA", "_" * 100, "☃"):
        said = web.get("/api/alerts", params={"since": text})
        assert said.status_code == 422
        assert "cursor" in said.json()["error"]
