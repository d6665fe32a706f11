"""Settings: which source wins, and one line for whatever is unknown or impossible."""

from pathlib import Path

import pytest

from shared.settings import Loaded, SettingsError, load


def write(folder: Path, text: str) -> Path:
    path = folder / "some.toml"
    path.write_text(text, encoding="utf-8")
    return path


def origin_of(loaded: Loaded, name: str) -> str:
    return next(origin for key, _, origin, _ in loaded.rows() if key == name)


def test_without_any_source_the_defaults_hold() -> None:
    loaded = load(environ={})
    assert loaded.settings.stream.shards == 64
    assert {origin for _, _, origin, _ in loaded.rows()} == {"default"}


def test_a_file_outweighs_the_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, "[stream]\nshards = 8\n")
    loaded = load(config=path, environ={})
    assert loaded.settings.stream.shards == 8
    assert origin_of(loaded, "stream.shards") == f"file {path}"


def test_the_environment_outweighs_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[stream]\nshards = 8\n")
    loaded = load(config=path, environ={"SELFMIS_STREAM_SHARDS": "16"})
    assert loaded.settings.stream.shards == 16
    assert origin_of(loaded, "stream.shards") == "environment SELFMIS_STREAM_SHARDS"


def test_a_lower_case_variable_is_not_ours() -> None:
    assert (
        load(environ={"selfmis_stream_shards": "16", "Selfmis_Redis_Url": "nonsense"}).settings.stream.shards == 64
    )


def test_the_command_line_outweighs_all(tmp_path: Path) -> None:
    path = write(tmp_path, "[stream]\nshards = 8\nreplay_horizon_s = 7\n")
    loaded = load(config=path, environ={"SELFMIS_STREAM_SHARDS": "16"}, overrides=["stream.shards=32"])
    assert loaded.settings.stream.shards == 32
    assert loaded.settings.stream.replay_horizon_s == 7
    assert origin_of(loaded, "stream.shards") == "command line"


def test_a_file_named_by_the_environment_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, "[stream]\nshards = 8\n")
    assert load(environ={"SELFMIS_CONFIG": str(path)}).settings.stream.shards == 8


def test_the_file_in_the_current_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "selfmis.toml").write_text("[stream]\nshards = 8\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load(environ={}).settings.stream.shards == 8


def test_a_variable_with_underscores_in_its_key_is_understood() -> None:
    assert load(environ={"SELFMIS_STREAM_REPLAY_HORIZON_S": "5"}).settings.stream.replay_horizon_s == 5


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"SELFMIS_REDIS_PROT": "1"},
            "unknown setting SELFMIS_REDIS_PROT in the environment; did you mean SELFMIS_REDIS_PORT?",
        ),
        ({"SELFMIS_STREAM_SHARDS": "0"}, "stream.shards = '0' from environment SELFMIS_STREAM_SHARDS: "),
        ({"SELFMIS_STREAM_SHARDS": "many"}, "stream.shards = 'many' from environment SELFMIS_STREAM_SHARDS: "),
        (
            {"SELFMIS_REDIS_URL": "http://x"},
            "redis.url = 'http://x' from environment SELFMIS_REDIS_URL: must start",
        ),
        ({"SELFMIS_CONFIG": "/no/such.toml"}, "settings file /no/such.toml cannot be read: No such file"),
    ],
)
def test_a_wrong_environment_is_one_clear_line(environ: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(environ=environ)
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[stream]\nshard = 8\n", "unknown setting stream.shard in file {}; did you mean stream.shards?"),
        ("[steam]\nshards = 8\n", "unknown setting steam in file {}; did you mean stream?"),
        ("stream = 8\n", "stream in file {} must be a table: write [stream] above its keys"),
        ("[stream\n", "settings file {} is not valid TOML: "),
        ("[stream]\nshards = 1.5\n", "stream.shards = '1.5' from file {}: "),
        ("[window]\nlead = 'V1'\n", "window.lead = 'V1' from file {}: "),
        ("\x00", "settings file {} is not valid TOML: "),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, text: str, line: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as refused:
        load(config=path, environ={})
    assert str(refused.value).startswith(line.format(path))
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_utf8_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b"[redis]\nurl = '\xe5'\n")
    with pytest.raises(SettingsError, match="is not valid TOML"):
        load(config=path, environ={})


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("stream.shards", "--set stream.shards: write it as SECTION.KEY=VALUE"),
        ("stream.shrads=4", "unknown setting stream.shrads in --set; did you mean stream.shards?"),
        ("stream.shards=-4", "stream.shards = '-4' from command line: "),
    ],
)
def test_a_wrong_override_is_one_clear_line(override: str, line: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(environ={}, overrides=[override])
    assert str(refused.value).startswith(line)


def test_a_password_in_a_url_is_never_shown() -> None:
    loaded = load(environ={"SELFMIS_REDIS_URL": "redis://ward:s3cret@example/0"})
    assert "s3cret" not in str(loaded.rows())
    assert loaded.rows()[0][:2] == ("redis.url", "redis://ward:********@example/0")


def test_a_password_in_a_refused_url_is_never_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        load(environ={"SELFMIS_REDIS_URL": "http://ward:s3cret@example/0"})
    assert "s3cret" not in str(refused.value)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(environ={}).settings.stream.shards = 3


def test_every_setting_says_what_it_is() -> None:
    assert all(description for *_, description in load(environ={}).rows())


def test_a_heartbeat_slower_than_half_a_lease_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"monitor\.heartbeat_s .* at most half of monitor\.lease_s"):
        load(overrides=["monitor.lease_s=1.5"], environ={})
