"""Redis or the gateway goes away: what was answered with 2xx is stored, all else is told to come again."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from benchmarks.consumer import Consumer
from shared.errors import SelfmisError
from shared.pinning import pin
from shared.redis.connection import connect as redis_connect
from shared.redis.connection import server_info
from tests.real_redis import full
from tests.waiting import until

Fixture = Any
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is under test
ROOT = Path(__file__).resolve().parents[4]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("SELFMIS_")}


def send_until_taken(gateway: Fixture, frame: Any) -> list[int]:
    """As a device does: again after a 503. Gives every status."""
    seen = []
    deadline = time.monotonic() + 20
    while True:
        answer = gateway.post(frame)
        seen.append(answer.status)
        if answer.status == 200:
            return seen
        assert answer.status == 503, answer.body
        assert int(answer.headers["Retry-After"]) >= 1
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_stopped_redis_is_503_and_afterwards_every_frame_is_there(
    own_redis: Fixture, start: Fixture, frame: Fixture
) -> None:
    statuses: list[int] = []
    with start(own_redis.url, "gateway.confirm_timeout_s=0.5") as gateway:
        back = threading.Timer(1.0, own_redis.start_again)
        for i in range(60):
            if i == 20:
                own_redis.kill()
                back.start()
            if i == 40:
                own_redis.kill()
                own_redis.start_again()
            statuses += send_until_taken(gateway, frame("outage", first=3 * i))
        back.join()
        firsts = [int(header["first"]) for header, _ in gateway.stored("outage")]
    assert 503 in statuses
    assert sorted(set(firsts)) == [3 * i for i in range(60)]


def test_a_gateway_starts_on_a_full_redis_and_takes_frames_when_there_is_room(
    own_redis: Fixture, start: Fixture, frame: Fixture
) -> None:
    with redis_connect(own_redis.url) as client:
        pin(client, 4)
        with full(client), start(own_redis.url, "gateway.confirm_timeout_s=0.5") as gateway:
            assert gateway.post(frame("p")).status == 503
        with start(own_redis.url) as gateway:
            assert send_until_taken(gateway, frame("p"))[-1] == 200


def test_a_gateway_whose_redis_is_gone_is_not_ready(own_redis: Fixture, start: Fixture) -> None:
    with start(own_redis.url) as gateway:
        assert gateway.ask("GET", "/readyz").status == 200
        own_redis.kill()
        until(lambda: gateway.ask("GET", "/readyz").status == 503, "not ready")
        answer = gateway.ask("GET", "/readyz")
        assert answer.json["reason"] == "redis"
        assert int(answer.headers["Retry-After"]) >= 1
        assert gateway.ask("GET", "/healthz").status == 200
        own_redis.start_again()
        until(lambda: gateway.ask("GET", "/readyz").status == 200, "ready again")


def test_a_stream_is_told_to_come_again_and_then_taken(own_redis: Fixture, start: Fixture, frame: Fixture) -> None:
    with start(own_redis.url, "gateway.confirm_timeout_s=0.5") as gateway, connect(gateway.stream_url) as stream:

        def ask(first: int) -> Any:
            stream.send(json.dumps(frame("ws-out", first=first)))
            return json.loads(stream.recv(20))

        assert ask(0)["ok"]
        own_redis.kill()
        answer = ask(3)
        assert (answer["ok"], answer["status"]) == (False, 503)
        assert answer["retry_after_s"] >= 1
        own_redis.start_again()
        while not ask(3)["ok"]:
            time.sleep(0.05)
        assert {int(header["first"]) for header, _ in gateway.stored("ws-out")} == {0, 3}


def test_consumers_that_fall_behind_make_senders_wait(
    redis_url: str, client: Any, start: Fixture, frame: Fixture
) -> None:
    with start(redis_url, "ingest.max_lag_s=0.2") as gateway:
        consumer = Consumer(client, 4)
        assert gateway.post(frame("lag")).status == 200
        consumer.step()
        for first in range(3, 300, 3):
            if gateway.post(frame("lag", first=first)).status == 503:
                break
            time.sleep(0.02)
        answer = gateway.ask("GET", "/readyz")
        assert (answer.status, answer.json["reason"]) == (503, "lag")
        consumer.step()
        until(lambda: gateway.post(frame("lag", first=300)).status == 200, "taken again")


def test_a_full_redis_makes_senders_wait(own_redis: Fixture, start: Fixture, frame: Fixture) -> None:
    with (
        start(own_redis.url, "gateway.confirm_timeout_s=0.3") as gateway,
        redis_connect(own_redis.url) as client,
    ):
        assert gateway.post(frame("full")).status == 200
        limit = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", server_info(client).used_memory // 2)
        until(lambda: gateway.post(frame("full", first=3)).status == 503, "refused")
        until(lambda: gateway.ask("GET", "/readyz").json.get("reason") == "memory", "for its memory")
        client.config_set("maxmemory", limit)
        until(lambda: gateway.post(frame("full", first=3)).status == 200, "taken again")


class Program:
    """`selfmis ingest gateway` as a process of its own."""

    def __init__(self, redis_url: str, *more: str, **environ: str) -> None:
        command = [sys.executable, "-m", "services.ingest.gateway.command", "--port", "0"]
        command += ["--set", f"redis.url={redis_url}", "--set", "stream.shards=4", *more]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=CLEAN | environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.url = self.line.split()[1] if self.line else ""

    def end(self, number: int) -> tuple[int, str, str]:
        self.process.send_signal(number)
        said, complained = self.process.communicate(timeout=30)
        return self.process.returncode, said, complained


@pytest.fixture
def program(redis_url: str) -> Iterator[Program]:
    program = Program(redis_url)
    yield program
    program.process.kill()
    program.process.communicate()


def test_what_a_killed_gateway_has_answered_is_in_redis(
    program: Program, gateway: Fixture, frame: Fixture
) -> None:
    answered: list[int] = []
    dying = type(gateway)(int(program.url.rpartition(":")[2]), gateway.redis_url)

    def device() -> None:
        with connect(dying.stream_url) as stream:
            for i in range(100_000):
                stream.send(json.dumps(frame("killed", first=3 * i)))
                answered.append(3 * (json.loads(stream.recv(20))["id"] - 1))

    def doomed() -> None:
        with pytest.raises(Exception, match="close"):
            device()

    thread = threading.Thread(target=doomed)
    thread.start()
    while len(answered) < 100:
        time.sleep(0.001)
    program.process.kill()
    thread.join(20)
    assert set(answered) <= {int(header["first"]) for header, _ in gateway.stored("killed")}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_the_gateway_with_one_line(
    program: Program, gateway: Fixture, frame: Fixture, number: int, code: int
) -> None:
    talk = type(gateway)(int(program.url.rpartition(":")[2]), gateway.redis_url)
    assert talk.post(frame("ended")).status == 200
    assert program.end(number) == (code, "gateway: stopped; 1 frames confirmed\n", "")


def test_a_request_under_way_is_answered_before_the_end(
    program: Program, gateway: Fixture, frame: Fixture
) -> None:
    body = json.dumps(frame("underway")).encode()
    talk = type(gateway)(int(program.url.rpartition(":")[2]), gateway.redis_url)
    with talk.raw() as near:
        head = f"POST /v1/frames HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        near.sendall(head.encode() + body[:20])
        time.sleep(0.2)
        program.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        near.sendall(body[20:])
        assert near.recv(1 << 16).startswith(b"HTTP/1.1 200")
    program.process.communicate(timeout=20)
    assert program.process.returncode == 130
    assert len(gateway.stored("underway")) == 1


def test_an_open_address_without_a_token_is_one_line_and_exit_code_2(redis_url: str) -> None:
    refused = Program(redis_url, "--host", EVERYWHERE)
    _, complained = refused.process.communicate(timeout=30)
    assert (refused.line, refused.process.returncode) == ("", 2)
    assert complained.count("\n") == 1
    assert "set a token (SELFMIS_GATEWAY_TOKEN)" in complained


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("gateway.host=0.0.0.0", "set a token"),
        ("gateway.host=::", "set a token"),
        ("gateway.host=no such host", "is unknown"),
        ("gateway.port=70000", "gateway.port"),
        ("gateway.token=short", "at least 16"),
        ("gateway.token=spaces are not visible", "at least 16"),
    ],
)
def test_an_impossible_start_is_one_line_without_the_token(
    redis_url: str, start: Fixture, override: str, says: str
) -> None:
    with pytest.raises(SelfmisError, match=says) as refused, start(redis_url, override):
        pass
    assert "\n" not in str(refused.value)
    assert "token" not in override or override.partition("=")[2] not in str(refused.value)


def test_a_port_in_use_is_one_line(redis_url: str, start: Fixture, gateway: Fixture) -> None:
    with (
        pytest.raises(SelfmisError, match=r"cannot be used.*set gateway\.port"),
        start(redis_url, f"gateway.port={gateway.port}"),
    ):
        pass


def test_with_a_token_the_gateway_listens_beyond_loopback(
    redis_url: str, gateway: Fixture, frame: Fixture
) -> None:
    program = Program(redis_url, "--host", EVERYWHERE, SELFMIS_GATEWAY_TOKEN="correct-horse-battery")
    try:
        talk = type(gateway)(int(program.url.rpartition(":")[2]), redis_url)
        assert talk.post(frame("open")).status == 401
        assert talk.post(frame("open"), Authorization="Bearer correct-horse-battery").status == 200
    finally:
        assert program.end(signal.SIGTERM)[0] == 0
