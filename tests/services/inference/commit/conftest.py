"""A scenario and the outcome that every run of it must have, whatever happens to the run."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.redis.connection import Client, connect
from shared.redis.embedded import EmbeddedServer
from tests.services.inference.tally import Owner, Scenario, committed, done, fill, scenario

SHARDS = 2


@pytest.fixture(scope="session")
def entries() -> Scenario:
    """The entries of two shards."""
    return scenario(SHARDS)


@pytest.fixture(scope="session")
def expected(redis_server: EmbeddedServer, entries: Scenario) -> Any:
    """What one owner commits when nothing goes wrong."""
    with connect(redis_server.url) as client:
        client.flushall()
        fill(client, entries)
        owner = Owner(redis_server.url, "only", SHARDS)
        while not done(client, entries):
            owner.turn()
        owner.close()
        return committed(client, SHARDS)


@pytest.fixture
def finish() -> Callable[[Client, Scenario, Owner], Any]:
    """Let an owner work until everything is committed; what was committed."""

    def run(client: Client, entries: Scenario, *owners: Owner) -> Any:
        for _ in range(3000):
            if done(client, entries):
                return committed(client, len(entries))
            for owner in owners:
                owner.turn()
        raise AssertionError("never done")

    return run
