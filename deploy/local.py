"""Ray and Serve on this machine, started for one purpose and gone with it.

A cluster of our own: on ports that Ray picks, without dashboard, without Ray's usage reports, without a token
file; found by nobody by accident, because no address is left behind. Ray's processes end with ours, even by
SIGKILL (see `deploy.ray_keeper`); the folder that a killed one leaves behind is removed by the next.
"""

import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import HTTPOptions
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from deploy import ray_keeper
from deploy.app import MONITOR, Arguments, bind
from shared.errors import SelfmisError
from shared.redis.local import process_exists

# Set before `ray.init`, which hands them on to every process it starts.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "1",
    # Ray starts workers with niceness 15: on a busy machine replicas would get what everybody else leaves over.
    "RAY_worker_niceness": "0",
    # A proxy that has died is noticed when it is next asked: every 10 s by default, and nobody serves till then.
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
}
STORE_BYTES = 100 << 20
APPLICATION = "selfmis"
_FOLDER = "selfmis-ray-"
# How a traceback ends that one of our errors caused.
_OURS = re.compile(r"^(?:shared|services|deploy)(?:\.\w+)+: (.+)$", re.MULTILINE)

log = logging.getLogger(__name__)


class LocalError(SelfmisError):
    """Ray or Serve cannot be started on this machine."""


def free(host: str, port: int) -> None:
    """Refuse a port that somebody listens on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise LocalError(
                f"port {port} on {host} cannot be used: {error.strerror}; choose another with --port"
            ) from None


@contextmanager
def local_ray(*, cpus: int, host: str, port: int, environ: Mapping[str, str]) -> Iterator[None]:
    """A Ray of our own with an empty Serve behind ``http://host:port`` while the block runs.

    ``cpus``: how many Ray may hand out. ``environ`` reaches every replica. Costs some five seconds.
    """
    free(host, port)
    if ray.is_initialized():
        raise LocalError("this process is already connected to a Ray; end that first (ray.shutdown)")
    with (
        _folder() as folder,
        _environment({**ENVIRONMENT, **environ}),
        _quiet(),
        _kept(folder),
    ):
        try:
            _start(folder, cpus, host, port)
            yield
        finally:
            # Ends every process; Serve's own shutdown would do no more, and slower.
            ray.shutdown()


@contextmanager
def local_serve(
    arguments: Arguments, *, replicas: int, host: str, port: int, environ: Mapping[str, str]
) -> Iterator[DeploymentHandle[Any]]:
    """The application behind ``http://host:port`` while the block runs; gives the Api's handle.

    ``environ`` reaches every replica. Costs some ten seconds to start; at the end replicas finish their step
    and give their shards back.
    """
    with local_ray(cpus=replicas + 1, host=host, port=port, environ=environ):
        try:
            yield launch(arguments, replicas)
        finally:
            _release()


def complaint(message: str) -> str:
    """Of what Serve says about a failure, in many lines, the one that a person can act on."""
    ours = _OURS.findall(message)
    return ours[-1] if ours else " ".join(message.split())[:300]


def _start(folder: str, cpus: int, host: str, port: int) -> None:
    try:
        ray.init(
            address="local",
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.WARNING,
            _temp_dir=folder,
        )
    except (RuntimeError, OSError, ValueError, RayError) as error:
        raise LocalError(f"Ray does not start: {' '.join(str(error).split())[:300]}") from None
    try:
        quiet = LoggingConfig(encoding="TEXT", log_level="WARNING", enable_access_log=False)
        serve.start(http_options=HTTPOptions(host=host, port=port), logging_config=quiet)
    except (RuntimeError, TimeoutError, RayError, RayServeException) as error:
        raise LocalError(f"Serve does not start: {complaint(str(error))}") from None


def launch(arguments: Arguments, replicas: int) -> DeploymentHandle[Any]:
    """Deploy the application on the Ray at hand and wait until it runs; gives the Api's handle.

    Raises `LocalError` with which deployment does not start, and why.
    """
    try:
        application = bind(arguments, MONITOR.options(num_replicas=replicas))
        return serve.run(application, name=APPLICATION, route_prefix="/")
    except (RuntimeError, RayError) as error:
        said = serve.status().applications.get(APPLICATION)
        why = {name: each.message for name, each in said.deployments.items()} if said else {}
        reasons = [f"{name}: {_OURS.findall(text)[-1]}" for name, text in why.items() if _OURS.search(text)]
        raise LocalError(f"Serve cannot deploy {'; '.join(reasons) or complaint(str(error))}") from None


def _release() -> None:
    """Let replicas end in order: the last steps are committed and leases given back, not left to run out."""
    try:
        serve.delete(APPLICATION)
    except (RayError, RayServeException, TimeoutError) as error:
        log.warning("Serve does not end in order, it is killed: %s", complaint(str(error)))


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """Serve tells in the driver, at INFO, what it starts; whoever started it knows."""
    logger = logging.getLogger("ray.serve")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _kept(folder: str) -> Iterator[None]:
    """Until it is left, and when we are killed: what still runs of the Ray in that folder is ended."""
    command = [sys.executable, "-I", ray_keeper.__file__, folder]
    # A session of its own: whatever ends ours is what it is there for. It holds no output of ours open.
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ):
        yield


@contextmanager
def _folder() -> Iterator[str]:
    """A folder for Ray. Its sockets lie there and their paths may have 107 bytes: so not in ours."""
    where = Path(tempfile.gettempdir())
    for left in where.glob(f"{_FOLDER}*"):
        owner = left.name.removeprefix(_FOLDER).partition("-")[0]
        if owner.isdigit() and not process_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        prefix=f"{_FOLDER}{os.getpid()}-", dir=where, ignore_cleanup_errors=True
    ) as folder:
        yield folder
