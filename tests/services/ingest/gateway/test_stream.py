"""The WebSocket with a real client: every message answered in order, and every way it ends."""

import json
import socket
import threading
from collections import deque
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

Fixture = Any
# Our own end of a connection complains when we cut it.
CLIENT = "websockets.client"


def ask(stream: ClientConnection, message: Any) -> Any:
    stream.send(message if isinstance(message, str | bytes) else json.dumps(message))
    return json.loads(stream.recv(20))


def code_of(stream: ClientConnection) -> int:
    """The code that the other side closes with."""
    with pytest.raises(ConnectionClosedError) as closed:
        deque(stream, maxlen=0)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def test_frames_and_batches_are_answered_once_they_are_in_redis(
    gateway: Fixture, frame: Fixture, batch: Fixture
) -> None:
    with connect(gateway.stream_url) as stream:
        assert ask(stream, frame("ws-1")) == {"ok": True, "id": 1, "frames": 1}
        assert len(gateway.stored("ws-1")) == 1
        assert ask(stream, [frame("ws-1", first=3), frame("ws-2")]) == {"ok": True, "id": 2, "frames": 2}
        assert ask(stream, batch(5, prefix="ws-b")) == {"ok": True, "id": 3, "frames": 5}
        assert len(gateway.stored("ws-b4")) == 1


def test_a_wrong_message_is_answered_and_the_stream_goes_on(gateway: Fixture, frame: Fixture) -> None:
    with connect(gateway.stream_url) as stream:
        answer = ask(stream, frame("ws-3", rate_hz=10))
        assert (answer["ok"], answer["id"], answer["status"], answer["reason"]) == (False, 1, 422, "rate")
        assert ask(stream, "{")["reason"] == "json"
        assert ask(stream, "")["reason"] == "json"
        assert ask(stream, b"")["reason"] == "empty"
        assert ask(stream, b"12345678")["status"] == 400
        assert ask(stream, frame("ws-3")) == {"ok": True, "id": 6, "frames": 1}


def test_messages_sent_without_waiting_are_answered_and_stored_in_order(gateway: Fixture, frame: Fixture) -> None:
    with connect(gateway.stream_url) as stream:
        for i in range(200):
            stream.send(json.dumps(frame("ws-4", first=3 * i, rate_hz=10 if i % 50 == 7 else 250)))
        answers = [json.loads(stream.recv(20)) for _ in range(200)]
    assert [answer["id"] for answer in answers] == list(range(1, 201))
    assert [i for i, answer in enumerate(answers) if not answer["ok"]] == [7, 57, 107, 157]
    kept = [3 * i for i in range(200) if i % 50 != 7]
    assert [int(header["first"]) for header, _ in gateway.stored("ws-4")] == kept


def test_a_message_too_large_closes_with_1009(gateway: Fixture, frame: Fixture) -> None:
    with connect(gateway.stream_url) as stream:
        assert ask(stream, frame("ws-5"))["ok"]
        stream.send(b"x" * ((1 << 20) + 8))
        assert code_of(stream) == 1009


def test_too_many_samples_a_second_are_told_when_to_go_on(redis_url: str, start: Fixture, frame: Fixture) -> None:
    with start(redis_url, "gateway.max_samples_per_s=10") as gateway, connect(gateway.stream_url) as stream:
        assert ask(stream, frame(mv=[0.0] * 600))["ok"]
        answer = ask(stream, frame(first=600, mv=[0.0] * 300))
        assert (answer["status"], answer["reason"]) == (429, "rate")
        assert 25 <= answer["retry_after_s"] <= 30


def test_a_stream_without_messages_closes_with_4408(redis_url: str, start: Fixture, frame: Fixture) -> None:
    with start(redis_url, "gateway.idle_timeout_s=0.3") as gateway, connect(gateway.stream_url) as stream:
        assert ask(stream, frame())["ok"]
        assert code_of(stream) == 4408


def test_a_stopping_gateway_answers_what_it_took_and_closes_with_1012(
    redis_url: str, start: Fixture, frame: Fixture
) -> None:
    with ExitStack() as streams:
        with start(redis_url) as gateway:
            stream = streams.enter_context(connect(gateway.stream_url))
            assert ask(stream, frame("ws-6"))["ok"]
        assert code_of(stream) == 1012


def test_the_token_is_asked_for_before_the_handshake(redis_url: str, start: Fixture, frame: Fixture) -> None:
    with start(redis_url, "gateway.token=correct-horse-battery") as gateway:
        with pytest.raises(InvalidStatus) as refused:
            connect(gateway.stream_url + "?token=correct-horse-battery")
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["reason"] == "token"
        token = {"Authorization": "Bearer correct-horse-battery"}
        with connect(gateway.stream_url, additional_headers=token) as stream:
            assert ask(stream, frame())["ok"]


def test_without_a_token_a_web_page_cannot_open_a_stream(gateway: Fixture) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(gateway.stream_url, origin="https://evil.example")  # type: ignore[arg-type]  # a NewType of str
    assert refused.value.response.status_code == 403


def test_another_path_is_not_found(gateway: Fixture) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(gateway.url.replace("http", "ws") + "/nope")
    assert refused.value.response.status_code == 404


def test_clients_that_vanish_are_no_fault(
    redis_url: str, start: Fixture, frame: Fixture, caplog: pytest.LogCaptureFixture
) -> None:
    with start(redis_url) as gateway:
        for _ in range(10):
            with connect(gateway.stream_url) as stream:
                for i in range(20):
                    stream.send(json.dumps(frame("gone", first=i)))
                stream.socket.shutdown(socket.SHUT_RDWR)
        assert gateway.post(frame("gone")).status == 200
    assert [record.getMessage() for record in caplog.records if record.exc_info and record.name != CLIENT] == []


def test_many_streams_run_side_by_side(gateway: Fixture, frame: Fixture) -> None:
    taken: list[bool] = []

    def device(name: str) -> None:
        with connect(gateway.stream_url) as stream:
            taken.extend(ask(stream, frame(name, first=3 * i))["ok"] for i in range(20))

    devices = [threading.Thread(target=device, args=(f"side-{i}",)) for i in range(10)]
    for thread in devices:
        thread.start()
    for thread in devices:
        thread.join()
    assert taken == [True] * 200
    assert all(len(gateway.stored(f"side-{i}")) == 20 for i in range(10))
