"""A Redis Cluster for whoever needs one."""

from collections.abc import Iterator

import pytest

from shared.redis.connection import connect


@pytest.fixture
def cluster_url(cluster_port: int) -> Iterator[str]:
    """The URL of the cluster of the tests, empty, and left so for others."""
    url = f"redis+cluster://127.0.0.1:{cluster_port}"
    with connect(url) as cluster:
        cluster.flushall(target_nodes="primaries")
        yield url
        cluster.flushall(target_nodes="primaries")
