"""How we come to a Ray cluster: the one that is named (a submitted job's, `RAY_ADDRESS`), else one of our own."""

import logging
import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

import ray

from shared.errors import SelfmisError

# Ray reads these when it starts. Whoever set one already knows better.
DEFAULTS = {
    # Without it `ray.init` writes a token file, and every later command of that user expects a token.
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Workers hand over one report and wait until the controller has fetched it: at Ray's own two seconds, epochs
    # of a small model would take two seconds each.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # The behaviour that Ray announces as its next default, and warns about on every start until it is chosen.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class ClusterError(SelfmisError):
    """The Ray cluster cannot be reached or started."""


def set_defaults(environ: MutableMapping[str, str]) -> None:
    """Put `DEFAULTS` where nothing else is set; before Ray starts."""
    for name, value in DEFAULTS.items():
        environ.setdefault(name, value)


@contextmanager
def joined(*, cpus: int | None = None) -> Iterator[None]:
    """Be connected to a Ray cluster: a connection that is there stays, one made here is closed at the end.

    Inside a submitted job, or where `RAY_ADDRESS` is set, joins that cluster; else starts one on this machine,
    with ``cpus`` logical processors (default: as many as there are), which ends with this block. Costs seconds.
    """
    if ray.is_initialized():
        yield
        return
    set_defaults(os.environ)
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(address=address, log_to_driver=True, logging_level=logging.WARNING)
        else:
            ray.init(
                num_cpus=cpus,
                include_dashboard=False,
                log_to_driver=True,
                logging_level=logging.WARNING,
                _metrics_export_port=0,
            )
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = f"the Ray cluster at {address}" if address else "a Ray cluster on this machine"
        raise ClusterError(f"cannot reach {where}: {str(error).splitlines()[0]:.200}") from None
    try:
        yield
    finally:
        ray.shutdown()
