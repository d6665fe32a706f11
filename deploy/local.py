"""Ray and Serve on this machine, started for one purpose and gone with it.

A cluster of our own: on ports that Ray picks, without dashboard, without Ray's usage reports, without a token
file; found by nobody by accident, because no address is left behind.
"""

import logging
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from deploy.app import Arguments, build
from shared.errors import SelfmisError

# Set before `ray.init`, which hands them on to every process it starts.
ENVIRONMENT = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "1"}
STORE_BYTES = 100 << 20


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
def local_serve(
    arguments: Arguments, *, replicas: int, host: str, port: int, environ: Mapping[str, str]
) -> Iterator[DeploymentHandle[Any]]:
    """The application behind ``http://host:port`` while the block runs; gives the Api's handle.

    ``environ`` reaches every replica. Costs some ten seconds to start and as many to stop.
    """
    free(host, port)
    before = {name: os.environ.get(name) for name in (*ENVIRONMENT, *environ)}
    os.environ.update(ENVIRONMENT, **environ)
    # Ray's sockets lie in its folder, and their paths may have 107 bytes: not in ours, wherever that is.
    with tempfile.TemporaryDirectory(prefix="selfmis-ray-", ignore_cleanup_errors=True) as folder:
        try:
            ray.init(
                address="local",
                num_cpus=replicas + 1,
                include_dashboard=False,
                object_store_memory=STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.WARNING,
                _temp_dir=folder,
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise LocalError(f"Ray does not start: {' '.join(str(error).split())[:300]}") from None
        try:
            quiet = LoggingConfig(encoding="TEXT", log_level="WARNING", enable_access_log=False)
            serve.start(http_options=HTTPOptions(host=host, port=port), logging_config=quiet)
            yield _run(arguments, replicas)
        finally:
            serve.shutdown()  # type: ignore[no-untyped-call]  # Ray left it untyped
            ray.shutdown()
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _run(arguments: Arguments, replicas: int) -> DeploymentHandle[Any]:
    try:
        return serve.run(build(arguments, replicas=replicas), name="selfmis", route_prefix="/")
    except RuntimeError as error:
        raise LocalError(f"Serve cannot deploy the monitor: {' '.join(str(error).split())[:300]}") from None
