"""Committed metrics are exact whatever crashes: compared, one by one, with an offline run of the same log."""

import random
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.inference.engine import Engine, open_engine
from services.inference.metrics import MonitorCollector, exposition
from services.inference.metrics.catalogue import CATALOGUE, COMMITS, COMMITTED
from services.inference.metrics.families import families
from services.inference.metrics.snapshot import Snapshot
from services.inference.monitor.elapsed import SILENCE
from shared.artefact import Model
from shared.redis.connection import Client
from shared.sections import EngineSettings
from shared.shards import counters_key
from tests.services.inference import live

EXACT = {family.name for family in CATALOGUE if family.source == COMMITTED} - {COMMITS.name}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def engine(model: Model) -> Engine:
    return open_engine(model, EngineSettings())


def scraped(client: Client, model: Model) -> Samples:
    body, _ = exposition(MonitorCollector(lambda: client, live.SHARDS, lambda: model.manifest), "")
    return {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(body.decode())
        if family.name in EXACT
        for s in family.samples
        if s.value and s.labels.get("kind") not in SILENCE  # by the clock, which an offline run has not
    }


def expected(client: Client, engine: Engine) -> Samples:
    snapshot = Snapshot(0, live.SHARDS, 0, 0, 0, 0.0, live.truth(client, engine))
    return {
        (s.name, tuple(sorted(s.labels.items()))): float(s.value)
        for family in families(snapshot)
        if family.name in EXACT
        for s in family.samples
        if s.value and s.labels.get("kind") not in SILENCE  # by the clock, which an offline run has not
    }


def test_after_replicas_were_killed_at_random_moments_every_committed_metric_is_the_ground_truth(
    redis_url: str, client: Client, engine: Engine, model: Model
) -> None:
    chance = random.Random(5)
    sender = threading.Thread(target=live.ingest, args=(redis_url, live.settings(), 180))
    processes = [live.replica_process(redis_url, f"replica-{i}", model) for i in range(2)]
    try:
        sender.start()
        for goal in (40, 150):
            live.until(lambda goal=goal: live.scored(client) > goal, f"{goal} windows")
            time.sleep(chance.random() * 0.3)
            victim = processes.pop(0)
            victim.kill()
            victim.wait()
            processes.append(live.replica_process(redis_url, f"replica-after-{goal}", model))
        sender.join(60)
        live.caught_up(client)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    found = scraped(client, model)
    assert found == expected(client, engine)
    assert {name for name, _ in found} >= {
        "selfmis_windows_total",
        "selfmis_quality_rejects_total",
        "selfmis_alerts_total",
        "selfmis_alarms_active",
        "selfmis_any_mi_score_bucket",
    }


def test_the_comparison_notices_a_single_count_too_many(
    redis_url: str, client: Client, engine: Engine, model: Model
) -> None:
    with live.pulling(redis_url, engine, live.settings()):
        live.ingest(redis_url, live.settings(), 30)
        live.caught_up(client)
    wanted = expected(client, engine)
    assert scraped(client, model) == wanted
    client.hincrby(counters_key(0), "windows|scored", 1)
    assert scraped(client, model) != wanted
