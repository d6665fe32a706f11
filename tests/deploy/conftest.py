"""One real Ray with Serve for the tests of a module."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import local_ray
from shared.artefact import Model
from shared.ports import free_port
from shared.redis.connection import Client
from shared.redis.embedded import EmbeddedServer
from tests.deploy.house import FAIL_AT_ONCE, ROOT, House
from tests.deploy.machines import Network, network


@pytest.fixture(scope="module")
def cluster() -> Iterator[int]:
    """Ray and an empty Serve; the port of its proxy."""
    port = free_port()
    environ = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **FAIL_AT_ONCE}
    with local_ray(cpus=8, host="127.0.0.1", port=port, environ={**os.environ, **environ}):
        yield port


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Network]:
    """An empty network of machines."""
    with network(tmp_path) as made:
        yield made


@pytest.fixture
def house(cluster: int, redis_server: EmbeddedServer, client: Client, model: Model) -> Iterator[House]:
    """The application over an empty Redis. Not yet deployed, or as the test before left it."""
    house = House(cluster, redis_server.url, client, model)
    yield house
    house.web.close()
