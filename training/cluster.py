"""Joining a Ray cluster, or starting one here for as long as a command runs."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import SelfmisError

ENVIRONMENT = {
    # Ray would otherwise write a token and then ask every later command for it, and would report home.
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A training worker waits after each report until the controller has fetched it: with Ray's own two seconds
    # between looks, epochs of a small model would take two seconds each.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # The behaviour that Ray announces as its next default, and warns about until it is chosen.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def prepare_environment() -> None:
    """Set what Ray must know before it is imported; what is already set stays."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def cluster_named() -> bool:
    """Whether the environment names a cluster to join, as ``ray job submit`` makes it do."""
    return bool(os.environ.get("RAY_ADDRESS"))


def refuse_unreachable(address: str, timeout_s: float = 5.0) -> None:
    """One line, soon, for a cluster at HOST:PORT that does not answer: Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not port.isdigit():
        return  # "auto" and ray:// addresses are Ray's to understand
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout_s).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise SelfmisError(f"no Ray cluster at {address}: {why}; start it, or unset RAY_ADDRESS") from None


@contextmanager
def cluster(cpus: int | None = None) -> Iterator[None]:
    """A Ray cluster for the block: the one this process has joined, the one in ``RAY_ADDRESS``, or one of its own.

    ``cpus`` limits one of its own; it takes 3–5 s to start and is stopped at the end. What processes of the
    cluster print stays in Ray's logs: what is wrong comes back as an exception.
    """
    prepare_environment()
    import ray  # noqa: PLC0415 - takes a second, and must come after the environment

    if ray.is_initialized():
        yield
        return
    try:
        if cluster_named():
            refuse_unreachable(os.environ["RAY_ADDRESS"])
            ray.init(logging_level=logging.ERROR, log_to_driver=False)
        else:
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                logging_level=logging.ERROR,
                log_to_driver=False,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        where = os.environ.get("RAY_ADDRESS", "here")
        raise SelfmisError(f"no Ray cluster at {where}: {why}") from None
    try:
        yield
    finally:
        ray.shutdown()
