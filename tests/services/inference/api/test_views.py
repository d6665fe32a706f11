"""Views over what a real monitor committed."""

from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from services.inference.api import reading
from services.inference.commit.point import POINT
from services.inference.monitor.offline import compare, offline
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.shard import ShardRules
from services.inference.monitor.worker import Worker
from shared.frames import decode
from shared.redis.connection import connect
from shared.shards import BATCH_FIELD, shard_of, stream_key, trend_key
from tests.services.inference.api.conftest import SHARDS, Monitored, served, settings_of

RANKS = {"high": 3, "medium": 2, "low": 1}


def everybody(web: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = web.get("/api/patients", params=query).json()["patients"]
    return found


def mi_rank(patient: dict[str, Any]) -> int:
    return max([RANKS[a["priority"]] for a in patient["alarms"] if a["kind"] == "mi"], default=0)


def test_health_says_that_it_is_well_and_readiness_who_owns_the_shards_with_which_model(web: httpx.Client) -> None:
    assert web.get("/healthz").json() == {"ok": True}
    ready = web.get("/readyz").json()
    assert (ready["ready"], ready["shards"], ready["owned"]) == (True, SHARDS, SHARDS)
    assert ready["replicas"][0]["model"] == "untrained:1"


def test_the_list_begins_with_alarms_by_priority_and_then_goes_by_risk(web: httpx.Client) -> None:
    found = everybody(web)
    assert len(found) >= 14
    ranks = [mi_rank(patient) for patient in found if patient["status"] == "admitted"]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] > 0, "no alarm, nothing proved"
    calm = [p["any_mi"] or 0 for p in found if not mi_rank(p) and p["status"] == "admitted"]
    assert calm == sorted(calm, reverse=True)


def test_pages_put_together_are_the_whole_list(web: httpx.Client) -> None:
    whole = everybody(web, sort="name")
    pages = [everybody(web, sort="name", limit=5, offset=offset) for offset in range(0, len(whole), 5)]
    assert [p["patient"] for page in pages for p in page] == [p["patient"] for p in whole]
    assert [p["patient"] for p in whole] == sorted(p["patient"] for p in whole)


def test_a_search_and_filters_leave_those_who_fit(web: httpx.Client) -> None:
    name = everybody(web)[3]["patient"]
    assert name in [p["patient"] for p in everybody(web, search=name.upper())]
    assert everybody(web, search="no such name") == []
    assert all(mi_rank(p) for p in everybody(web, alarm="mi"))
    technical = everybody(web, alarm="technical")
    assert technical
    assert all(any(a["kind"] != "mi" for a in p["alarms"]) for p in technical)


def test_one_patient_is_as_in_the_list_and_has_more(web: httpx.Client) -> None:
    first = everybody(web)[0]
    one = web.get(f"/api/patients/{first['patient']}").json()
    assert {key: one[key] for key in first} == first
    assert set(one) - set(first) == {"mutes", "audit"}
    assert first["type"] == max((n for n in first["scores"] if n != "MI"), key=lambda n: first["scores"][n])


def test_the_summary_counts_what_the_list_shows(web: httpx.Client) -> None:
    said, found = web.get("/api/summary").json(), everybody(web)
    assert sum(said["patients"].values()) == len(found)
    alarms = [alarm for patient in found for alarm in patient["alarms"]]
    assert sum(said["alarms"]["mi"].values()) == sum(alarm["kind"] == "mi" for alarm in alarms)
    assert said["alarms"]["technical"] == sum(alarm["kind"] != "mi" for alarm in alarms) > 0
    assert said["windows"] > 100
    assert said["model"]["name"] == "untrained"
    assert "not a medical device" in said["notice"].lower()


def test_trends_are_what_an_offline_run_of_the_log_finds(monitored: Monitored, web: httpx.Client) -> None:
    rules = ShardRules.of(settings_of())
    for shard in range(SHARDS):
        expected = offline(monitored.client, shard, rules, monitored.engine, max_missing=0.1)
        assert compare(monitored.client, shard, expected).trend == 0
        for name, points in expected.trend.items():
            shown = web.get(f"/api/patients/{name.decode()}/trend").json()["points"]
            raw = np.frombuffer(points, POINT)
            assert [point["end_us"] for point in shown] == raw["end_us"].tolist()
            assert len(shown) >= 5


def test_a_trend_ends_with_scores_near_those_of_its_window_and_can_be_cut(web: httpx.Client) -> None:
    name = next(p["patient"] for p in everybody(web) if p["scores"])
    points = web.get(f"/api/patients/{name}/trend").json()["points"]
    assert all(point["scores"] is None or set(point["scores"]) >= {"MI", "IMI"} for point in points)
    assert web.get(f"/api/patients/{name}/trend?points=2").json()["points"] == points[-2:]
    since = points[3]["end_us"]
    assert web.get(f"/api/patients/{name}/trend?since_us={since}").json()["points"] == [
        point for point in points if point["end_us"] >= since
    ]


def test_a_trend_expires_when_nothing_comes_any_more(monitored: Monitored, web: httpx.Client) -> None:
    name = everybody(web)[0]["patient"].encode()
    key = trend_key(shard_of(name, SHARDS), name)
    assert 0 < monitored.client.pttl(key) <= 86_400_000  # type: ignore[operator]  # sync client


def samples_of(monitored: Monitored, name: str) -> tuple[int, dict[int, int]]:
    """The newest session of a patient in the log: its start and all its samples by index."""
    raw = name.encode()
    sessions: dict[tuple[int, int], dict[int, int]] = {}
    rows: Any = monitored.client.xrange(stream_key(shard_of(raw, SHARDS)))
    for _, fields in rows:
        for frames in decode(fields[BATCH_FIELD]):
            for header, samples in zip(frames.headers, frames.samples, strict=True):
                if bytes(header["patient"]) == raw:
                    where = sessions.setdefault((int(header["session_start_us"]), int(header["session"])), {})
                    where.update(
                        zip(
                            range(int(header["first"]), int(header["first"]) + len(samples)),
                            samples.tolist(),
                            strict=True,
                        )
                    )
    newest = max(sessions)
    return newest[0], sessions[newest]


@pytest.mark.parametrize("seconds", [1, 10, 30])
def test_a_strip_is_the_newest_samples_of_the_log_in_their_places(
    monitored: Monitored, web: httpx.Client, seconds: int
) -> None:
    for patient in everybody(web)[:4]:
        strip = web.get(f"/api/patients/{patient['patient']}/strip?seconds={seconds}").json()
        start_us, known = samples_of(monitored, patient["patient"])
        rate = strip["rate_hz"]
        assert len(strip["samples"]) == seconds * rate
        first = round((strip["start_us"] - start_us) / 1e6 * rate)
        assert first + len(strip["samples"]) == max(known) + 1
        assert strip["samples"] == [known.get(first + i) for i in range(len(strip["samples"]))]


def test_a_strip_says_which_way_up_the_lead_is_worn(web: httpx.Client) -> None:
    everybody = [each["patient"] for each in web.get("/api/patients").json()["patients"]]
    told = [web.get(f"/api/patients/{name}/strip?seconds=2").json()["polarity"] for name in everybody]
    assert told.count("upright") > len(told) // 2
    assert set(told) <= {"upright", "inverted", None}


def test_strips_of_several_come_in_the_order_asked_for_and_unknown_ones_are_empty(web: httpx.Client) -> None:
    names = [p["patient"] for p in everybody(web)[:3]] + ["nobody"]
    strips = web.get("/api/strips", params={"patient": names, "seconds": 2}).json()["strips"]
    assert [strip["patient"] for strip in strips] == names
    assert all(strip["samples"] for strip in strips[:3])
    assert (strips[3]["samples"], strips[3]["session"]) == ([], None)


def test_the_model_shown_is_the_one_that_the_monitor_loaded(web: httpx.Client, monitored: Monitored) -> None:
    assert web.get("/api/model").json()["name"] == "untrained"
    counted = web.get("/api/counters").json()
    assert counted == dict(reading.counters(monitored.client, SHARDS))


def test_readiness_counts_the_frames_for_which_a_shard_has_no_room(redis_url: str, monitored: Monitored) -> None:
    worker = Worker(PullLoop(redis_url, settings_of("window.max_patients=2"), "crowded", monitored.engine))
    worker.start()
    with connect(redis_url) as client:
        ward = replace(monitored, url=redis_url, client=client)
        ward.ingest(20)
        with served(ward.app()) as url:
            assert httpx.get(f"{url}/readyz").json()["frames_no_room"] > 0
            assert httpx.get(f"{url}/api/patients").json()["total"] == 2 * SHARDS
    assert worker.stop(20)
