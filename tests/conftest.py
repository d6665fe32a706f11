"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.connection import Client, connect
from shared.embedded import EmbeddedServer, embedded

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("SELFMIS_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings; skips where it is absent."""
    if not DATA.is_dir():
        pytest.skip("real recordings absent: put them in ../shared/data or name them in SELFMIS_TEST_DATA")
    return DATA


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One real Redis for all tests of a run."""
    with embedded(tmp_path_factory.mktemp("redis"), port=0, maxmemory_mb=256) as server:
        yield server


@pytest.fixture
def client(redis_server: EmbeddedServer) -> Iterator[Client]:
    """A client of that Redis, emptied."""
    with connect(redis_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def redis_url(redis_server: EmbeddedServer, client: Client) -> str:
    """The URL of that Redis, emptied."""
    return redis_server.url
