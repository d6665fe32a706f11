"""What a scrape says, by what is in Redis; and that it says nothing that grows or that names a patient."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from redis.exceptions import ConnectionError as RedisConnectionError

from services.inference.metrics import MonitorCollector, exposition
from services.inference.metrics.catalogue import CATALOGUE, Family, markdown
from services.inference.metrics.families import DEAD_REASONS, REFUSED
from services.inference.monitor import speed
from services.inference.monitor.pulse import Pulse, tell
from services.inference.monitor.shard import LETTERS
from shared.artefact import Manifest, Model, ScoreReference
from shared.redis.connection import Client, connect
from shared.score_histogram import SCORE_EDGES
from shared.shards import (
    BATCH_FIELD,
    REPLICAS_KEY,
    counters_key,
    latest_key,
    lease_key,
    position_key,
    state_key,
    stream_key,
)
from tests.services.inference import live

ROOT = Path(__file__).resolve().parents[4]
SHARDS = 4
Value = Callable[..., float]


@pytest.fixture
def manifest(model: Model) -> Manifest:
    counts = (5, *[0] * (len(SCORE_EDGES) - 2), 3)
    reference = ScoreReference(counts=counts, sum=3.1, on="8 records")
    return model.manifest.model_copy(update={"reference": reference})


@pytest.fixture
def scrape(client: Client, manifest: Manifest) -> Callable[..., Value]:
    """Scrapes; gives the value of a series by name and labels."""

    def look() -> Value:
        body, _ = exposition(MonitorCollector(lambda: client, SHARDS, lambda: manifest), "")
        found = {(s.name, frozenset(s.labels.items())): s.value for f in plain(body.decode()) for s in f.samples}
        return lambda name, **labels: found[(f"selfmis_{name}", frozenset(labels.items()))]

    return look


def test_counters_of_all_shards_are_summed(client: Client, scrape: Callable[..., Value]) -> None:
    client.hset(counters_key(0), "windows|scored", 3)
    client.hset(counters_key(3), "windows|scored", 4)
    assert scrape()("windows_total", outcome="scored") == 7


def test_the_score_histogram_is_cumulative_and_its_sum_is_exact(
    client: Client, scrape: Callable[..., Value]
) -> None:
    client.hset(counters_key(1), mapping={"score|0.05": 2, "score|0.50": 1, "score_sum_e6": 540_000})
    value = scrape()
    assert [value("any_mi_score_bucket", le=le) for le in ("0.05", "0.45", "0.5", "1.0", "+Inf")] == [
        2,
        2,
        3,
        3,
        3,
    ]
    assert value("any_mi_score_sum") == 0.54


def test_alarms_that_came_and_went_stand_at_zero_and_every_kind_is_there_from_the_start(
    client: Client, scrape: Callable[..., Value]
) -> None:
    client.hset(counters_key(0), mapping={"active|mi|IMI|high|raised": 1, "active|lead_off||low|raised": 0})
    value = scrape()
    assert value("alarms_active", kind="mi", type="IMI", priority="high", phase="raised") == 1
    assert value("alarms_active", kind="lead_off", type="none", priority="low", phase="raised") == 0
    assert value("alarms_active", kind="system_silent", type="none", priority="medium", phase="raised") == 0
    assert value("alerts_total", kind="mi", type="PMI", priority="low", transition="began") == 0


def test_frames_taken_are_those_not_refused(client: Client, scrape: Callable[..., Value]) -> None:
    client.hset(counters_key(0), mapping={"facts|frames": 10, "facts|frames_stale_session": 3})
    value = scrape()
    told = {reason: value("frames_total", outcome=reason) for reason in ("taken", *REFUSED)}
    assert told == {"taken": 7, **dict.fromkeys(REFUSED, 0), "stale_session": 3}


def test_a_shard_without_a_lease_is_unowned_and_what_waits_in_it_is_lag(
    client: Client, scrape: Callable[..., Value]
) -> None:
    client.set(lease_key(2), "r:1")
    seconds, _ = client.time()  # type: ignore[misc]  # a sync client
    committed = client.xadd(stream_key(1), {BATCH_FIELD: b"x"}, id=f"{int(seconds) * 1000 - 90_000}-0")
    client.hset(position_key(1), "offset", committed)
    value = scrape()
    assert (value("shards", state="owned"), value("shards", state="unowned")) == (1, SHARDS - 1)
    assert value("lag_seconds") == 0
    client.xadd(stream_key(1), {BATCH_FIELD: b"y"}, id=f"{int(seconds) * 1000 - 40_000}-0")
    assert 39 < scrape()("lag_seconds") < 60


def test_the_oldest_alarm_that_waits_decides_over_all_replicas(
    client: Client, scrape: Callable[..., Value]
) -> None:
    seconds, _ = client.time()  # type: ignore[misc]  # a sync client
    for name, age in (("a", 50), ("b", 200)):
        client.zadd(REPLICAS_KEY, {name: 1})
        tell(client, name, Pulse(unacknowledged={"mi|high": (int(seconds) - age) * 1_000_000}))
    value = scrape()
    assert 199 < value("alarm_unacknowledged_age_seconds", kind="mi", priority="high") < 230
    assert value("alarm_unacknowledged_age_seconds", kind="mi", priority="low") == 0
    assert value("replicas") == 2


def test_of_an_alarm_that_waits_without_a_replica_to_tell_since_when_no_age_is_said(
    client: Client, scrape: Callable[..., Value]
) -> None:
    """0 would say that nobody waits, and resolve the page about it."""
    client.hset(counters_key(1), "active|mi|IMI|high|raised", 1)
    client.hset(counters_key(1), "active|mi|IMI|medium|acknowledged", 1)
    value = scrape()
    with pytest.raises(KeyError):
        value("alarm_unacknowledged_age_seconds", kind="mi", priority="high")
    assert value("alarm_unacknowledged_age_seconds", kind="mi", priority="medium") == 0
    assert value("alarms_active", kind="mi", type="IMI", priority="high", phase="raised") == 1


def test_what_replicas_measured_outlives_them(client: Client, scrape: Callable[..., Value]) -> None:
    for _replica in range(2):
        pulse, account = Pulse(), speed.Account()
        pulse.latency.count(0.31)
        pulse.took["model"].count(0.02)
        pulse.stage.model = 0.015
        speed.add(client, account.gained(pulse))
        pulse.latency.count(400.0)
        speed.add(client, account.gained(pulse))
        speed.add(client, account.gained(pulse))
    value = scrape()
    assert value("sample_to_commit_seconds_bucket", le="0.3") == 0
    assert value("sample_to_commit_seconds_bucket", le="0.4") == 2
    assert value("sample_to_commit_seconds_count") == 4
    assert value("sample_to_commit_seconds_sum") == pytest.approx(2 * 400.31)
    assert value("stage_seconds_bucket", stage="model", le="0.025") == 2
    assert value("stage_cpu_seconds_total", stage="model") == pytest.approx(0.03)
    assert value("replicas") == 0


def test_the_models_reference_is_a_histogram_and_absent_without_one(
    client: Client, scrape: Callable[..., Value], model: Model
) -> None:
    value = scrape()
    assert (value("model_reference_score_bucket", le="0.05"), value("model_reference_score_count")) == (5, 8)
    body, _ = exposition(MonitorCollector(lambda: client, SHARDS, lambda: model.manifest), "")
    assert b"reference" not in body


def test_without_redis_the_scrape_says_so_and_nothing_else(manifest: Manifest) -> None:
    def away() -> Client:
        raise RedisConnectionError("refused")

    body, _ = exposition(MonitorCollector(away, SHARDS, lambda: manifest), "")
    assert {f.name for f in plain(body.decode())} == {
        "selfmis_redis_up",
        "selfmis_model_info",
        "selfmis_model_reference_score",
    }
    assert b"selfmis_redis_up 0.0" in body


def test_no_more_is_asked_of_redis_for_a_thousand_patients_than_for_none(
    client: Client, scrape: Callable[..., Value]
) -> None:
    def cost() -> int:
        def told() -> int:
            return int(client.info("stats")["total_net_output_bytes"])  # type: ignore[index]  # a sync client

        scrape()
        before = told()
        between = told() - before  # what asking costs
        before = told()
        scrape()
        return told() - before - between

    small = cost()
    for shard in range(SHARDS):
        for key in (latest_key(shard), state_key(shard)):
            client.hset(key, mapping={f"p{i}": b"x" * 100 for i in range(1000)})
    assert abs(cost() - small) < 200


def test_a_redis_cluster_is_scraped_all_the_same(cluster_url: str, manifest: Manifest) -> None:
    with connect(cluster_url) as cluster:
        for shard in range(SHARDS):
            cluster.hset(counters_key(shard), "windows|scored", shard + 1)
        pulse = Pulse(steps=3)
        speed.add(cluster, speed.Account().gained(pulse))
        body, _ = exposition(MonitorCollector(lambda: cluster, SHARDS, lambda: manifest), "")
    assert b'selfmis_windows_total{outcome="scored"} 10.0' in body
    assert b"selfmis_steps_total 3.0" in body
    assert b"selfmis_redis_up 1.0" in body


def test_openmetrics_is_given_to_whoever_asks_for_it(client: Client, redis_url: str, model: Model) -> None:
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    with live.served(live.api(redis_url, live.settings(), model)) as url:
        asked, usual = httpx.get(f"{url}/metrics", headers=accept), httpx.get(f"{url}/metrics")
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert asked.text.endswith("# EOF\n")
    names = {f.name for f in openmetrics(asked.text)}
    assert usual.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert names >= {family.name for family in CATALOGUE} - {"selfmis_model_reference_score"}


def test_every_reason_for_a_dead_letter_is_there_from_the_start() -> None:
    source = (ROOT / "shared" / "frames.py").read_text(encoding="utf-8")
    frames = set(re.findall(r'FrameError\("(\w+)"', source)) | set(
        re.findall(r'_refuse\(header, .*, "(\w+)", ', source)
    )
    decoding = (ROOT / "services" / "inference" / "monitor" / "decoding.py").read_text(encoding="utf-8")
    undecoded = set(re.findall(r'reason(?:, data)? = "(\w+)"', decoding))
    assert len(frames) > 10
    assert len(undecoded) == 2
    assert frames | undecoded | LETTERS == set(DEAD_REASONS)


def exposed(client: Client, manifest: Manifest) -> dict[str, set[str]]:
    """Every family of a scrape, and its labels."""
    body, _ = exposition(
        MonitorCollector(lambda: client, SHARDS, lambda: manifest), "application/openmetrics-text"
    )
    return {f.name: {label for s in f.samples for label in s.labels} - {"le"} for f in openmetrics(body.decode())}


def test_the_catalogue_is_what_is_exposed(client: Client, manifest: Manifest) -> None:
    client.hset(counters_key(0), mapping={"dead_letters|truncated": 1})
    assert exposed(client, manifest) == {family.name: set(family.labels) for family in CATALOGUE}


@pytest.mark.parametrize("family", CATALOGUE, ids=lambda family: family.name)
def test_names_follow_the_conventions_and_labels_do_not_grow(family: Family) -> None:
    assert family.name.startswith("selfmis_")
    assert not {"patient", "session", "device", "replica"} & set(family.labels)
    assert not family.exposed.endswith(("_ms", "_percent", "_mb"))


def test_the_document_tells_every_metric() -> None:
    assert markdown() in (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_promtool_has_nothing_to_object(client: Client, manifest: Manifest) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH: install Debian's package prometheus")
    client.hset(counters_key(0), mapping={"dead_letters|truncated": 1, "windows|scored": 3})
    body, _ = exposition(MonitorCollector(lambda: client, SHARDS, lambda: manifest), "")
    said = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, b"")
