"""`selfmis redis`, as a user runs it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.redis import main
from shared.errors import SelfmisError
from shared.ports import free_port
from shared.redis.connection import connect


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    return ["--set", f"redis.data_dir={tmp_path}", "--set", f"redis.port={free_port()}"]


@pytest.fixture
def foreground(options: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.redis", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        yield process
        process.kill()


def printed_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().split()[0]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_interrupted(foreground: subprocess.Popen[str], how: int, tmp_path: Path) -> None:
    with connect(printed_url(foreground)) as client:
        assert client.ping()
    os.kill(foreground.pid, how)
    assert foreground.wait(20) == 0
    assert not (tmp_path / "running.json").exists()


def test_status_names_the_server_and_stop_ends_it(
    foreground: subprocess.Popen[str], options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = printed_url(foreground)
    assert main([*options, "--status"]) == 0
    assert f"Redis 6.2.14 at {url}" in capsys.readouterr().out
    assert main([*options, "--stop"]) == 0
    assert foreground.wait(20) == 0
    assert main([*options, "--status"]) == 1


def test_a_second_one_is_refused(foreground: subprocess.Popen[str], options: list[str]) -> None:
    url = printed_url(foreground)
    with pytest.raises(SelfmisError, match=f"already running at {url}"):
        main(options)


def test_one_that_is_killed_is_an_error(foreground: subprocess.Popen[str]) -> None:
    with connect(printed_url(foreground)) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)
    assert foreground.wait(20) == 2
    assert foreground.stderr is not None
    assert "redis-server ended by itself" in foreground.stderr.read()


def test_with_a_url_in_the_settings_there_is_nothing_to_run() -> None:
    with pytest.raises(SelfmisError, match=r"redis\.url is set"):
        main(["--set", "redis.url=redis://elsewhere"])
