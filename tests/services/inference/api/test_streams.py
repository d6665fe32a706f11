"""Streams: what is received in all, over whatever number of broken connections, is what was committed."""

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.inference.api import reading
from services.inference.api.cursor import Cursor
from shared.ports import free_port
from tests.services.inference.api.conftest import OVERRIDES, SHARDS, Event, Monitored, events, monitoring, served
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[4]
PROGRAM = ROOT / "tests" / "services" / "inference" / "console" / "api_process.py"


@contextlib.contextmanager
def listening(url: str, **query: Any) -> Iterator[Iterator[Event]]:
    """The events of a stream."""
    with httpx.stream("GET", f"{url}/api/alerts/stream", params=query, timeout=30) as answer:
        assert answer.status_code == 200
        yield events(answer)


def ids(monitored: Monitored) -> list[str]:
    return [alert["id"] for alert in reading.alerts(monitored.client, SHARDS, 100_000)]


@pytest.fixture(scope="module")
def monitored(monitored: Monitored, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    """A ward of these tests' own: more is streamed to it."""
    with monitoring(monitored.engine, tmp_path_factory.mktemp("streams")) as found:
        yield found


@pytest.fixture(scope="module")
def web(monitored: Monitored) -> Iterator[httpx.Client]:
    """Its API, behind a real server."""
    app = monitored.app("api.requests_per_s=100000")
    with served(app) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


def test_a_stream_says_hello_with_a_cursor_that_stands_behind_all_alerts(web: httpx.Client) -> None:
    with listening(str(web.base_url)) as stream:
        hello = next(stream)
    assert (hello.name, hello.data) == ("hello", "{}")
    assert web.get("/api/alerts", params={"since": hello.id}).json()["alerts"] == []


def test_from_the_first_cursor_a_stream_tells_everything_once_and_in_order(
    monitored: Monitored, web: httpx.Client
) -> None:
    every = ids(monitored)
    with listening(str(web.base_url), since=Cursor(SHARDS).text()) as stream:
        next(stream)
        told = [json.loads(next(stream).data) for _ in every]
    assert Counter(alert["id"] for alert in told) == Counter(every)
    assert [alert["committed_ms"] for alert in told] == sorted(alert["committed_ms"] for alert in told)


def test_a_new_alert_comes_by_itself_to_all_who_listen(monitored: Monitored, web: httpx.Client) -> None:
    with listening(str(web.base_url)) as one, listening(str(web.base_url)) as other:
        next(one), next(other)
        before = set(ids(monitored))
        monitored.ingest(30)
        new = [alert for alert in ids(monitored) if alert not in before]
        assert new, "no new alert, nothing proved"
        for stream in (one, other):
            assert {json.loads(next(stream).data)["id"] for _ in new} == set(new)


def test_connections_cut_at_any_moment_lose_nothing_even_when_the_api_dies_with_them(monitored: Monitored) -> None:
    rolls = random.Random(7)
    begun = Cursor(SHARDS).text()
    told: dict[int, Counter[str]] = {client: Counter() for client in range(3)}
    done = threading.Event()

    def ingest() -> None:
        monitored.ingest(90, speed=60)
        done.set()

    feeding = threading.Thread(target=ingest)
    feeding.start()
    cursors = dict.fromkeys(told, begun)
    while not done.is_set():
        with served(monitored.app()) as url:  # another process each time, as far as memory goes
            for client, received in told.items():
                for _ in range(rolls.randint(1, 3)):
                    cursors[client] = _receive(url, cursors[client], received, rolls.randint(1, 12))
    feeding.join()
    every = ids(monitored)
    with served(monitored.app()) as url:
        for client, received in told.items():
            cursor = cursors[client]
            until(
                lambda received=received, cursor=cursor: _all(url, cursor, received, set(every)),  # type: ignore[misc]
                "the rest",
            )
            assert set(received) == set(every)
            assert received.total() == len(every), "nothing twice either: all shards fit into a cursor"


def _receive(url: str, cursor: str, told: Counter[str], most: int) -> str:
    """Listen for so many alerts or half a second, then break off in the midst of it; the last cursor."""
    with (
        contextlib.suppress(httpx.TransportError),
        httpx.stream(
            "GET",
            f"{url}/api/alerts/stream",
            headers={"Last-Event-ID": cursor},
            timeout=httpx.Timeout(5, read=0.5),
        ) as answer,
    ):
        for event in events(answer):
            cursor = event.id
            if event.name == "alert":
                told[json.loads(event.data)["id"]] += 1
                most -= 1
            if not most:
                break
    return cursor


def _all(url: str, cursor: str, told: Counter[str], wanted: set[str]) -> bool:
    _receive(url, cursor, told, 100_000)
    return set(told) >= wanted


def test_streams_are_bounded_and_a_place_is_free_again_when_one_goes(monitored: Monitored) -> None:
    with served(monitored.app("api.max_streams=1")) as url:
        with listening(url) as stream:
            next(stream)
            assert httpx.get(f"{url}/api/alerts/stream").status_code == 503
        until(lambda: _listens(url), "the freed place")


def _listens(url: str) -> bool:
    with httpx.stream("GET", f"{url}/api/alerts/stream", timeout=10) as answer:
        return answer.status_code == 200


@pytest.mark.parametrize("text", ["nonsense", "AAAA"])
def test_a_stream_from_a_broken_cursor_is_refused_before_it_begins(web: httpx.Client, text: str) -> None:
    assert web.get("/api/alerts/stream", headers={"Last-Event-ID": text}).status_code == 422


def test_strips_come_whole_first_and_then_what_is_new_without_a_seam(
    monitored: Monitored, web: httpx.Client
) -> None:
    names = [p["patient"] for p in web.get("/api/patients?limit=3").json()["patients"]]
    # A look each second brings two seconds' samples: only one that is four seconds late would leave a gap.
    feeding = threading.Thread(target=monitored.ingest, args=(24,), kwargs={"speed": 2})
    pieces: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with httpx.stream("GET", f"{web.base_url}/api/strips/stream", params={"patient": names}, timeout=30) as answer:
        feeding.start()
        for event in events(answer):
            strip = json.loads(event.data)
            pieces[strip["patient"]].append(strip)
            if min(map(len, pieces.values())) >= 5:
                break
    feeding.join()
    for name in names:
        last = pieces[name][-1]["session"]
        of_session = [piece for piece in pieces[name] if piece["session"] == last]
        assert len(of_session) >= 3
        for before, after in pairwise(of_session):
            step_us = 1e6 / before["rate_hz"]
            end_us = before["start_us"] + len(before["samples"]) * step_us
            assert abs(end_us - after["start_us"]) < step_us / 2
        joined = [sample for piece in of_session for sample in piece["samples"]]
        missing = sum(sample is None for sample in joined)
        assert missing < len(joined) / 2


def test_a_strip_stream_of_silent_patients_still_shows_that_it_lives(
    monitored: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.inference.api.strips.HEARTBEAT_S", 0.5)
    with (
        served(monitored.app()) as url,
        httpx.stream("GET", f"{url}/api/strips/stream?patient=nobody", timeout=10) as answer,
    ):
        lines = (line for line in answer.iter_lines() if line)
        assert [next(lines)[:1] for _ in range(3)] == [":"] * 3


@pytest.mark.full
def test_an_api_process_killed_at_random_moments_loses_no_alert_for_who_comes_back(monitored: Monitored) -> None:
    rolls, told, cursor = random.Random(3), Counter[str](), Cursor(SHARDS).text()
    feeding = threading.Thread(target=monitored.ingest, args=(240,), kwargs={"speed": 8})
    feeding.start()
    kills = 0
    while feeding.is_alive():
        with _process(monitored) as (url, process):
            killer = threading.Timer(rolls.uniform(0.5, 4), process.kill)
            killer.start()
            while process.poll() is None:
                cursor = _receive(url, cursor, told, 10_000)
            killer.join()
            kills += 1
    feeding.join()
    every = ids(monitored)
    with served(monitored.app()) as url:
        until(lambda: _all(url, cursor, told, set(every)), "the rest")
    assert kills > 1
    assert set(told) == set(every)


@contextlib.contextmanager
def _process(monitored: Monitored) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The API in a process of its own, listening."""
    port = free_port()
    command = [sys.executable, str(PROGRAM), str(port), monitored.url, monitored.folder, *OVERRIDES]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        until(lambda: _answers(f"http://127.0.0.1:{port}/healthz"), "the process")
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
