"""Whatever is sent, the gateway answers it: never a 5xx, always its own shape."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Fixture = Any
Some = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(0, 2**65), st.floats(), st.text(max_size=40)
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
GOOD = {
    "patient": st.text(min_size=1, max_size=12),
    "session": st.integers(0, 2**64 - 1) | st.from_regex(r"\d{1,21}", fullmatch=True),
    "session_start": st.none() | st.datetimes().map(lambda moment: moment.isoformat() + "Z") | st.integers(),
    "first": st.integers(0, 2**53),
    "rate_hz": st.floats(40, 1100) | st.sampled_from([100, 125, 130, 250, 256, 300, 512]),
    "lead": st.sampled_from(["I", "aVR", "V6", "X"]),
    "uv_per_lsb": st.none() | st.floats(0, 2e4),
    "mv": st.none() | st.lists(st.floats(-50, 50), max_size=20),
    "adc": st.none() | st.lists(st.integers(-40000, 40000), max_size=20),
}
nearly = st.fixed_dictionaries(
    {}, optional={name: good | anything for name, good in GOOD.items()} | {"x": anything}
)


def checked(answer: Any) -> None:
    assert answer.status < 500, answer.body
    assert set(answer.json) == ({"ok", "frames"} if answer.status == 200 else {"error", "reason"})
    assert "\n" not in answer.json.get("error", "")


@Some
@given(frames=nearly | st.lists(nearly, max_size=5))
def test_nearly_good_frames_are_taken_or_refused(gateway: Fixture, frames: Any) -> None:
    checked(gateway.post(json.dumps(frames)))


@Some
@given(body=anything.map(json.dumps).map(str.encode) | st.binary(max_size=300))
def test_any_body_is_answered(gateway: Fixture, body: bytes) -> None:
    checked(gateway.post(body))


@Some
@given(data=st.data())
def test_any_record_batch_is_answered(gateway: Fixture, batch: Fixture, data: st.DataObject) -> None:
    good = bytearray(batch(patients=2, count=data.draw(st.integers(1, 30))))
    for _ in range(data.draw(st.integers(0, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    checked(gateway.post_batch(bytes(good[: data.draw(st.integers(0, len(good)))])))


@Some
@given(
    kind=st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=30),
    path=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    method=st.sampled_from(["GET", "POST", "PUT", "OPTIONS", "DELETE", "PATCH", "TRACE"]),
)
def test_any_request_line_is_answered(gateway: Fixture, kind: str, path: str, method: str) -> None:
    answer = gateway.ask(method, "/" + path, b"", Content_Type=kind, Host=kind or "localhost")
    assert answer.status < 500, answer.body
