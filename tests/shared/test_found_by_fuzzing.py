"""Bad input that once was not refused in one line; `selfmis bench fuzz` found it."""

from pathlib import Path

import pytest

from shared.pinning import Layout, LayoutMismatch
from shared.redis_address import RedisAddress, RedisUrlError
from shared.settings import SettingsError, load


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
