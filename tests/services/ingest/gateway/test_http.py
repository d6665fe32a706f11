"""HTTP as a device meets it: what is taken, and every way to be refused."""

import json
import time
from typing import Any

import numpy as np
import pytest

from shared.shards import session_start_key, shard_of

Fixture = Any
SHARDS = 4


def refused(answer: Any, status: int, reason: str) -> str:
    assert (answer.status, answer.json["reason"]) == (status, reason)
    assert set(answer.json) == {"error", "reason"}
    assert answer.headers["Content-Type"] == "application/json"
    assert "\n" not in answer.json["error"]
    return answer.json["error"]


def test_a_frame_that_was_answered_with_200_is_in_redis(gateway: Fixture, frame: Fixture) -> None:
    answer = gateway.post(frame("http-1", session="18446744073709551615", first=500, rate_hz=128.5))
    assert (answer.status, answer.json) == (200, {"ok": True, "frames": 1})
    ((header, samples),) = gateway.stored("http-1")
    assert samples.tolist() == [100, -200, 300]
    assert int(header["session"]) == 2**64 - 1
    assert (int(header["first"]), int(header["rate_mhz"]), float(header["uv_per_lsb"])) == (500, 128_500, 1.0)


def test_a_list_of_frames_of_many_patients_is_taken_in_order(gateway: Fixture, frame: Fixture) -> None:
    frames = [frame(f"many-{i % 3}", first=3 * (i // 3), adc=[i] * 3, uv_per_lsb=2.5, mv=...) for i in range(30)]
    assert gateway.post(frames).json == {"ok": True, "frames": 30}
    assert [int(s[0]) for _, s in gateway.stored("many-1")] == list(range(1, 30, 3))


def test_frames_of_several_lengths_in_one_request_keep_their_order(gateway: Fixture, frame: Fixture) -> None:
    frames, first = [], 0
    for count in (250, 100, 250, 1):
        frames.append(frame("mixed", first=first, mv=[0.0] * count))
        first += count
    assert gateway.post(frames).status == 200
    assert [len(samples) for _, samples in gateway.stored("mixed")] == [250, 100, 250, 1]


def test_a_record_batch_is_taken(gateway: Fixture, batch: Fixture) -> None:
    answer = gateway.post_batch(batch(patients=100, count=250, start_us=1_800_000_000_000_000 - 10**14))
    assert answer.json == {"ok": True, "frames": 100}
    ((header, samples),) = gateway.stored("b42")
    assert (samples == np.arange(42 * 250, 43 * 250)).all()
    assert int(header["session_start_us"]) == 1_800_000_000_000_000 - 10**14


@pytest.mark.parametrize(
    ("changes", "reason", "where"),
    [
        ({"patient": ""}, "patient", "patient"),
        ({"patient": "x" * 33}, "patient", "patient"),
        ({"patient": "a\u0000b"}, "patient", "patient"),
        ({"patient": 5}, "patient", "patient"),
        ({"session": -1}, "session", "session"),
        ({"session": "1" * 5000}, "session", "session"),
        ({"session": True}, "session", "session"),
        ({"session_start": "yesterday"}, "session_start", "session_start"),
        ({"session_start": "2026-01-01T00:00:00"}, "session_start", "session_start"),
        ({"session_start": "2026-13-01T00:00:00Z"}, "session_start", "session_start"),
        ({"session_start": 1_700_000_000}, "session_start", "session_start"),
        ({"session_start": 2**70}, "session_start", "session_start"),
        ({"session_start": "9999-12-31T23:59:59Z"}, "clock", "session_start"),
        ({"first": -1}, "first", "first"),
        ({"first": 1.5}, "first", "first"),
        ({"first": 2**53}, "first", "first"),
        ({"first": ...}, "first", "first"),
        ({"rate_hz": 49.9}, "rate", "rate_hz"),
        ({"rate_hz": 1000.1}, "rate", "rate_hz"),
        ({"rate_hz": 128.0005}, "rate", "rate_hz"),
        ({"lead": "V7"}, "lead", "lead"),
        ({"mv": []}, "samples", "mv"),
        ({"mv": [0.1, None]}, "samples", "mv[1]"),
        ({"mv": [0.1, 1e308]}, "samples", "mv[1]"),
        ({"mv": [0.0] * 65536}, "samples", "mv"),
        ({"mv": ...}, "samples", "mv"),
        ({"adc": [1]}, "gain", "uv_per_lsb"),
        ({"adc": [1], "uv_per_lsb": 1.0}, "samples", "mv"),
        ({"mv": ..., "adc": [0, 40000], "uv_per_lsb": 1}, "samples", "adc[1]"),
        ({"mv": ..., "adc": [10**400], "uv_per_lsb": 1}, "samples", "adc[0]"),
        ({"uv_per_lsb": 1e-50}, "gain", "uv_per_lsb"),
        ({"uv_per_lsb": 0}, "gain", "uv_per_lsb"),
        ({"Jane Doe": 1}, "field", "known are"),
    ],
)
def test_a_wrong_field_is_named_with_its_frame(
    gateway: Fixture, frame: Fixture, changes: dict[str, Any], reason: str, where: str
) -> None:
    good = frame("kept-out")
    wrong = {name: value for name, value in (good | changes).items() if value is not ...}
    error = refused(gateway.post([good, good, wrong]), 422, reason)
    assert error.startswith("frame 2")
    assert where in error
    assert "Jane" not in error
    assert gateway.stored("kept-out") == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_sample_that_is_no_number_is_refused(gateway: Fixture, frame: Fixture, number: str) -> None:
    body = json.dumps(frame()).replace("-0.2", number)
    assert "mv[1]" in refused(gateway.post(body), 422, "samples")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ("", 400, "json"),
        ("{", 400, "json"),
        ("[" * 100_000, 400, "json"),
        (b"\xff\xfe", 400, "json"),
        ('{"patient": "\\ud800"}', 400, "json"),
        ("null", 422, "json"),
        ("[1]", 422, "json"),
        ("[]", 422, "empty"),
        ("{}", 422, "patient"),
    ],
)
def test_a_body_that_is_no_frame_is_refused(gateway: Fixture, body: Any, status: int, reason: str) -> None:
    refused(gateway.post(body), status, reason)


@pytest.mark.parametrize(
    ("spoil", "status", "reason"),
    [
        (lambda b: b[:0], 400, "empty"),
        (lambda b: b[:-8], 400, "truncated"),
        (lambda b: b + b"x", 400, "length"),
        (lambda b: b[:100] + bytes([b[100] ^ 1]) + b[101:], 400, "checksum"),
        (lambda b: b[:4] + b"\x09" + b[5:], 400, "version"),
    ],
)
def test_a_broken_record_batch_is_refused(
    gateway: Fixture, batch: Fixture, spoil: Any, status: int, reason: str
) -> None:
    refused(gateway.post_batch(spoil(batch())), status, reason)


def test_a_batch_from_the_future_is_refused_for_its_clock(gateway: Fixture, batch: Fixture) -> None:
    refused(gateway.post_batch(batch(start_us=4_000_000_000_000_000)), 422, "clock")


def test_an_index_that_leaps_into_the_future_is_refused_and_the_session_goes_on(
    gateway: Fixture, frame: Fixture
) -> None:
    assert gateway.post(frame("leaps")).status == 200
    error = refused(gateway.post([frame("leaps", first=3), frame("leaps", first=3_600_000)]), 422, "clock")
    assert error.startswith("frame 1, first")
    assert gateway.post(frame("leaps", first=3)).status == 200
    assert [int(header["first"]) for header, _ in gateway.stored("leaps")] == [0, 3]


def test_a_batch_whose_samples_end_in_the_future_is_refused(gateway: Fixture, batch: Fixture) -> None:
    now_us = time.time_ns() // 1000
    assert gateway.post_batch(batch(prefix="ahead", start_us=now_us, first=290 * 128)).status == 200
    refused(gateway.post_batch(batch(prefix="ahead", start_us=now_us, first=310 * 128)), 422, "clock")


def test_a_counter_that_began_long_ago_is_taken_where_no_start_is_stated(gateway: Fixture, frame: Fixture) -> None:
    for first in (2**31, 2**31 + 250):  # a hundred days
        assert gateway.post(frame("counter", first=first)).status == 200


def test_a_sample_clock_that_runs_a_percent_fast_is_never_refused(gateway: Fixture, frame: Fixture) -> None:
    day_s = 86_400
    began_us = time.time_ns() // 1000 - 30 * day_s * 1_000_000
    month = day_s * 30 * 250
    for first in (0, month, month + month // 100):
        assert gateway.post(frame("fast", session_start=began_us, first=first)).status == 200
    refused(gateway.post(frame("fast", session_start=began_us, first=month + month // 90)), 422, "clock")


def test_a_batch_whose_start_is_no_microseconds_is_refused(gateway: Fixture, batch: Fixture) -> None:
    refused(gateway.post_batch(batch(start_us=1_700_000_000)), 422, "session_start")


@pytest.mark.parametrize("kind", ["text/plain", "", "application/octet-stream", "application/jsonx"])
def test_another_content_type_is_refused(gateway: Fixture, frame: Fixture, kind: str) -> None:
    refused(gateway.post(frame(), Content_Type=kind), 415, "content_type")


def test_a_content_type_may_have_a_parameter(gateway: Fixture, frame: Fixture) -> None:
    assert gateway.post(frame(), Content_Type="Application/JSON; charset=utf-8").status == 200


def test_a_compressed_body_is_refused(gateway: Fixture) -> None:
    refused(gateway.post(b"\x1f\x8b", Content_Encoding="gzip"), 415, "content_encoding")


def test_unknown_paths_and_methods_have_the_same_shape(gateway: Fixture) -> None:
    refused(gateway.ask("GET", "/nope"), 404, "path")
    refused(gateway.ask("POST", "/v1/frames/"), 404, "path")
    answer = gateway.ask("PUT", "/v1/frames")
    refused(answer, 405, "method")
    assert answer.headers["Allow"] == "POST"


def test_too_many_frames_are_refused(redis_url: str, start: Fixture, frame: Fixture, batch: Fixture) -> None:
    with start(redis_url, "gateway.max_frames=2") as gateway:
        refused(gateway.post([frame()] * 3), 413, "frames")
        refused(gateway.post_batch(batch(3)), 413, "frames")
        assert gateway.post([frame()] * 2).status == 200


def test_too_many_samples_a_second_are_told_when_to_go_on(redis_url: str, start: Fixture, frame: Fixture) -> None:
    with start(redis_url, "gateway.max_samples_per_s=10") as gateway:
        assert gateway.post(frame("fast", mv=[0.0] * 600)).status == 200
        answer = gateway.post(frame("fast", first=600, mv=[0.0] * 300))
        refused(answer, 429, "rate")
        assert 25 <= int(answer.headers["Retry-After"]) <= 30
        assert gateway.post(frame("slow")).status == 200


def test_a_token_is_required_where_there_is_one(redis_url: str, start: Fixture, frame: Fixture) -> None:
    token = "correct-horse-battery"
    with start(redis_url, f"gateway.token={token}") as gateway:
        for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {token}"}):
            answer = gateway.post(frame(), **wrong)
            refused(answer, 401, "token")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert gateway.post(frame(), Authorization="Bearer \xe9\xe9").status == 401
        assert gateway.post(frame(), Authorization=f"bearer {token}", Origin="https://x", Host="x").status == 200
        assert gateway.ask("GET", "/readyz").status == 200


def test_without_a_token_web_pages_are_kept_out(gateway: Fixture, frame: Fixture) -> None:
    refused(gateway.post(frame(), Origin="https://evil.example"), 403, "origin")
    refused(gateway.post(frame(), Host="evil.example"), 403, "host")
    refused(gateway.post(frame(), Host="[broken"), 403, "host")
    assert gateway.post(frame(), Host="localhost:1234").status == 200


def test_a_start_that_is_left_out_is_the_same_for_the_whole_session(gateway: Fixture, frame: Fixture) -> None:
    for first in (250, 500, 0):
        assert gateway.post(frame("stamped", first=first)).status == 200
    (start_us,) = {int(header["session_start_us"]) for header, _ in gateway.stored("stamped")}
    again = gateway.post(frame("stamped", session_start=start_us, first=750))
    assert again.status == 200


def test_two_gateways_stamp_one_session_alike(redis_url: str, start: Fixture, frame: Fixture) -> None:
    with start(redis_url) as one, start(redis_url) as other:
        for first, gateway in ((0, one), (3, other), (6, one)):
            assert gateway.post(frame("both", first=first)).status == 200
        assert len({int(header["session_start_us"]) for header, _ in one.stored("both")}) == 1
        assert [int(header["first"]) for header, _ in one.stored("both")] == [0, 3, 6]


def test_a_restarted_gateway_remembers_when_a_session_began(
    redis_url: str, start: Fixture, frame: Fixture
) -> None:
    for first in (0, 3):
        with start(redis_url) as gateway:
            gateway.post(frame("again", first=first))
    assert len({int(header["session_start_us"]) for header, _ in gateway.stored("again")}) == 1


def test_a_session_that_is_said_to_have_begun_twice_is_refused(gateway: Fixture, frame: Fixture) -> None:
    assert gateway.post(frame("twice", session_start="2026-01-01T01:00:00.25+01:00")).status == 200
    assert gateway.post(frame("twice", session_start=1_767_225_600_250_000)).status == 200
    refused(gateway.post(frame("twice", session_start="2026-01-01T00:00:01Z")), 409, "session_start")
    assert gateway.post(frame("twice", session_start="2026-01-01T00:00:01Z", session=8)).status == 200


def test_a_remembered_start_expires(gateway: Fixture, client: Fixture, frame: Fixture) -> None:
    gateway.post(frame("expires"))
    key = session_start_key(shard_of(b"expires", SHARDS), b"expires", 7)
    assert 0 < client.ttl(key) <= 7 * 86400


def test_metrics_count_requests_by_route_and_never_name_a_patient(gateway: Fixture, frame: Fixture) -> None:
    gateway.post(frame("secret-name"))
    gateway.ask("GET", "/secret-name")
    shown = gateway.ask("GET", "/metrics").body.decode()
    assert 'selfmis_ingest_gateway_requests_total{code="200",route="/v1/frames"}' in shown
    assert 'selfmis_ingest_gateway_requests_total{code="404",route="other"}' in shown
    assert "selfmis_ingest_frames_total" in shown
    assert "secret-name" not in shown


def test_health_answers(gateway: Fixture) -> None:
    assert gateway.ask("GET", "/healthz").json == {"ok": True}
    assert gateway.ask("GET", "/readyz").json == {"ok": True}


def test_the_page_describes_every_route_and_needs_no_other_host(gateway: Fixture) -> None:
    spec = gateway.ask("GET", "/openapi.json").json
    answer = gateway.ask("GET", "/docs")
    shown = answer.body.decode()
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert {"/v1/frames", "/v1/batch", "/readyz"} <= set(spec["paths"])
    assert all(f"{path}</code>" in shown for path in spec["paths"])
    assert all(f"<code>{field}</code>" in shown for field in spec["components"]["schemas"]["Frame"]["properties"])
    assert "src=" not in shown
    assert "http://" not in shown
    assert "https://" not in shown
