"""The collector on a registry of its own, and what a scrape gets: text or OpenMetrics, as it asks."""

import logging
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisClusterException, RedisError

from services.inference.metrics.families import families, model_families, redis_up
from services.inference.metrics.snapshot import look
from shared.artefact import Manifest
from shared.errors import SelfmisError
from shared.redis.connection import Client

log = logging.getLogger(__name__)

UNREACHABLE = (RedisError, RedisClusterException, OSError, SelfmisError)


class MonitorCollector(Collector):
    """Reads everything anew at each scrape, so that any replica of the API says the same.

    ``client`` and ``manifest`` are asked for when a scrape comes. Where Redis does not answer, that is what the
    scrape says (``selfmis_redis_up 0``); a model folder that cannot be read leaves ``selfmis_model_info`` out.
    There are alerts on both.
    """

    def __init__(self, client: Callable[[], Client], shards: int, manifest: Callable[[], Manifest]) -> None:
        self._client, self._shards, self._manifest = client, shards, manifest

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance: registering must not ask Redis."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """All families, read now."""
        try:
            found = look(self._client(), self._shards)
        except UNREACHABLE as error:
            log.warning("a scrape without Redis: %s", " ".join(str(error).split()))
            yield redis_up(False)
        else:
            yield redis_up(True)
            yield from families(found)
        try:
            manifest = self._manifest()
        except UNREACHABLE as error:
            log.warning("a scrape without the model: %s", " ".join(str(error).split()))
        else:
            yield from model_families(manifest)


def exposition(collector: Collector, accept: str) -> tuple[bytes, str]:
    """The body of a scrape and its content type, by the request's ``Accept``: OpenMetrics if it is asked for."""
    encode, content_type = choose_encoder(accept)
    return encode(_registry(collector)), content_type


def written(found: Sequence[Metric]) -> bytes:
    """Families as text."""
    return generate_latest(_registry(_Fixed(found)))


class _Fixed(Collector):
    def __init__(self, found: Sequence[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        return iter(self._found)


def _registry(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry
