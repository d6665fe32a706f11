"""Bounds below a request: bytes and seconds, as a hostile or broken client meets them."""

import json
import socket
import time
from typing import Any

import pytest

Fixture = Any
BODY = b'{"patient":"p","session":1,"first":0,"rate_hz":250,"lead":"I","mv":[0.1]}'


def request(body: bytes, *lines: str, length: int | None = None) -> bytes:
    head = [
        "POST /v1/frames HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        *([] if length is None else [f"Content-Length: {length}"]),
        *lines,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def answer_of(near: socket.socket) -> tuple[int, dict[str, str]]:
    """Status and JSON of one answer; all of what comes is one answer."""
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        part = near.recv(1 << 16)
        assert part, received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def trickle(near: socket.socket) -> None:
    while True:
        near.sendall(b" " * 1000)
        time.sleep(0.01)


def closed(near: socket.socket) -> bool:
    try:
        while near.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


def test_a_body_is_refused_by_its_length_before_it_is_read(gateway: Fixture) -> None:
    with gateway.raw() as near:
        near.sendall(request(b"", length=10**12))
        assert answer_of(near)[0] == 413


def test_a_body_without_a_length_is_read_no_further_than_allowed(gateway: Fixture) -> None:
    with gateway.raw() as near:
        near.sendall(request(b"", "Transfer-Encoding: chunked"))
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        for _ in range(17):
            near.sendall(chunk)
        status, answer = answer_of(near)
    assert (status, answer["reason"]) == (413, "body")


def test_a_refused_body_that_never_ends_is_cut_off(gateway: Fixture) -> None:
    with gateway.raw() as near:
        near.sendall(request(b"", length=10**12))
        assert answer_of(near)[0] == 413
        with pytest.raises(ConnectionError):
            trickle(near)


def test_a_large_body_is_answered_even_to_a_client_that_sends_it_first(gateway: Fixture) -> None:
    answer = gateway.post(b" " * (4 << 20))
    assert (answer.status, answer.json["reason"]) == (413, "body")


def test_a_body_that_trickles_is_given_up(redis_url: str, start: Fixture) -> None:
    with start(redis_url, "gateway.body_timeout_s=0.3") as gateway, gateway.raw() as near:
        near.sendall(request(BODY[:10], length=len(BODY)))
        status, answer = answer_of(near)
        assert (status, answer["reason"]) == (408, "body")
        assert closed(near)


@pytest.mark.parametrize("sent", [b"", b"POST /v1/frames HTTP/1.1\r\nHost: local"])
def test_a_header_that_does_not_come_is_given_up(redis_url: str, start: Fixture, sent: bytes) -> None:
    with start(redis_url, "gateway.body_timeout_s=0.3") as gateway, gateway.raw() as near:
        near.sendall(sent)
        assert closed(near)


def test_the_header_of_a_second_request_has_the_same_time(redis_url: str, start: Fixture) -> None:
    with start(redis_url, "gateway.body_timeout_s=0.3") as gateway, gateway.raw() as near:
        near.sendall(request(BODY, length=len(BODY)))
        assert answer_of(near) == (200, {"ok": True, "frames": 1})
        near.sendall(b"POST")
        assert closed(near)


@pytest.mark.parametrize(
    "lines",
    [["X: " + "x" * 9000], [f"X-{i}: 1" for i in range(200)]],
    ids=["a long line", "many lines"],
)
def test_a_large_header_is_refused(gateway: Fixture, lines: list[str]) -> None:
    with gateway.raw() as near:
        near.sendall(request(BODY, *lines, length=len(BODY)))
        status, answer = answer_of(near)
        assert (status, answer["reason"]) == (400, "http")
        assert closed(near)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"GET\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        request(BODY, "Content-Length: 5", length=7),
        request(BODY, "Content-Length: -1"),
        request(b"zz\r\n", "Transfer-Encoding: chunked"),
    ],
    ids=["TLS", "no version", "no ASCII", "two lengths", "negative length", "no chunk"],
)
def test_what_is_no_http_is_refused(gateway: Fixture, sent: bytes) -> None:
    with gateway.raw() as near:
        near.sendall(sent)
        assert answer_of(near)[0] == 400
        assert closed(near)


@pytest.mark.parametrize(
    ("method", "lines"),
    [
        ("POST", ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]),
        ("GET", ["Sec-WebSocket-Version: 13"]),
        ("GET", ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA", "Content-Length: 5"]),
        ("GET", ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA", "X: " + "x" * 7000]),
        ("GET", ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA", *(f"X-{i}: 1" for i in range(90))]),
    ],
)
def test_a_broken_handshake_is_refused_and_the_gateway_goes_on(
    redis_url: str, start: Fixture, caplog: pytest.LogCaptureFixture, method: str, lines: list[str]
) -> None:
    with start(redis_url, "gateway.body_timeout_s=0.3") as gateway:
        with gateway.raw() as near:
            head = [
                f"{method} /v1/stream HTTP/1.1",
                "Host: localhost",
                "Upgrade: websocket",
                "Connection: Upgrade",
            ]
            near.sendall("\r\n".join([*head, *lines, "", ""]).encode())
            first = near.recv(1 << 16)
            assert first.startswith(b"HTTP/1.1 4")
            assert closed(near)
        assert gateway.ask("GET", "/healthz").status == 200
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


def test_a_client_that_leaves_in_the_middle_is_no_fault(
    redis_url: str, start: Fixture, caplog: pytest.LogCaptureFixture
) -> None:
    with start(redis_url) as gateway:
        with gateway.raw() as near:
            near.sendall(request(BODY[:10], length=len(BODY)))
        with gateway.raw() as near:
            near.sendall(request(BODY, length=len(BODY)))
        assert gateway.post(BODY).status == 200
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
