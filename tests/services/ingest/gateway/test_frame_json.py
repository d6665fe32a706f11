"""Frames as JSON, without a network."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.gateway.frame_json import FrameReader
from services.ingest.gateway.refusal import Refusal
from shared.frames import decode, encode

GOOD = {"patient": "p", "session": 1, "first": 0, "rate_hz": 250, "lead": "I"}


def read(**changes: Any) -> Any:
    (run,) = FrameReader(10).read(json.dumps(GOOD | changes))
    return run


@given(
    counts=st.lists(st.integers(-32768, 32767), min_size=1, max_size=300), scale=st.floats(2**-10, 1e4, width=32)
)
def test_millivolts_that_came_from_counts_become_those_counts(counts: list[int], scale: float) -> None:
    run = read(mv=[count * scale / 1000 for count in counts], uv_per_lsb=scale)
    assert run.samples[0].tolist() == counts


@given(counts=st.lists(st.integers(-32768, 32767), min_size=1, max_size=300))
def test_counts_survive_the_way_to_redis(counts: list[int]) -> None:
    (run,) = decode(encode(read(adc=counts, uv_per_lsb=4.88)))
    assert run.samples[0].tolist() == counts
    assert run.headers["uv_per_lsb"][0] == np.float32(4.88)


@given(rate_mhz=st.integers(50_000, 1_000_000))
def test_every_rate_is_exact_to_the_millihertz(rate_mhz: int) -> None:
    assert int(read(mv=[0.0], rate_hz=rate_mhz / 1000).headers["rate_mhz"][0]) == rate_mhz


@given(moment=st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants it
def test_a_moment_is_exact_to_the_microsecond(moment: datetime) -> None:
    start_us = int(read(mv=[0.0], session_start=moment.isoformat()).headers["session_start_us"][0])
    assert start_us == int(read(mv=[0.0], session_start=start_us).headers["session_start_us"][0])
    assert datetime.fromtimestamp(start_us // 10**6, UTC).replace(microsecond=start_us % 10**6) == moment


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T10:00:00Z",
        "2026-01-01t10:00:00.000z",
        "2026-01-01 12:00:00.000000000+02:00",
        1_767_261_600_000_000,
    ],
)
def test_a_moment_may_be_written_in_several_ways(text: Any) -> None:
    assert int(read(mv=[0.0], session_start=text).headers["session_start_us"][0]) == 1_767_261_600_000_000


@pytest.mark.parametrize("text", ["20260101T100000Z", "2026-W01-1T10:00:00Z", "2026-01-01T10:00:60Z", "١٢", ""])
def test_what_rfc_3339_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="frame 0, session_start"):
        read(mv=[0.0], session_start=text)


def test_a_lead_may_be_written_as_physicians_do() -> None:
    assert int(read(mv=[0.0], lead="aVL").headers["lead"][0]) == 4


@given(body=st.binary(max_size=200) | st.text(max_size=200))
def test_whatever_is_read_gives_frames_or_a_refusal(body: Any) -> None:
    try:
        FrameReader(10).read(body)
    except Refusal as refusal:
        assert 400 <= refusal.status < 500  # noqa: PT017 - either way is right
