"""Bad input that once was not refused in one line; `selfmis bench fuzz` found it."""

from fractions import Fraction
from pathlib import Path

import pytest

from shared.pinning import Layout, LayoutMismatch
from shared.position import PatientMark, PositionError, ShardPosition, parse_id
from shared.redis.address import RedisAddress, RedisUrlError
from shared.settings import SettingsError, load
from shared.wfdb import RecordingError, millihertz


def test_a_layout_nested_without_end_is_refused() -> None:
    with pytest.raises(LayoutMismatch):
        Layout.decode(b"[" * 3000)


@pytest.mark.parametrize("url", ["redis://h/" + "9" * 5000, "nope\nredis://h", "rediss://h?a\xad=1"])
def test_an_odd_redis_url_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(RedisUrlError) as refused:
        RedisAddress.parse(url)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) <= 300


@pytest.mark.parametrize("text", ["[redis]\nport = " + "9" * 5000, "a = " + "[" * 3000, '"a\\nb" = 1'])
def test_an_odd_settings_file_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "selfmis.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        load(config=file, environ={})
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) <= 300


@pytest.mark.parametrize("entry", ["9" * 5000 + "-0", "1-" + "9" * 21])
def test_a_stream_entry_id_of_more_digits_than_redis_has_is_refused(entry: str) -> None:
    with pytest.raises(PositionError):
        parse_id(entry)


@pytest.mark.parametrize("fields", [{b"\x88": b""}, {b"token": b"\xff"}, {b"sequence": b"9" * 5000}])
def test_a_position_that_is_no_text_or_no_number_is_refused(fields: dict[bytes, bytes]) -> None:
    with pytest.raises(PositionError):
        ShardPosition.from_redis(fields)


@pytest.mark.parametrize("number", [-1, 2**63 - 1])
def test_a_mark_beyond_all_samples_is_refused(number: int) -> None:
    with pytest.raises(PositionError, match="not ours"):
        PatientMark.unpack(PatientMark(1, 2, 100_000, 0, number, 0).pack())


@pytest.mark.parametrize("rate", ["1e400", "-1e400", Fraction(10**400)])
def test_a_sampling_rate_that_no_float_holds_is_refused(rate: str | Fraction) -> None:
    with pytest.raises(RecordingError, match="outside 50 to 1000 Hz"):
        millihertz(rate)
