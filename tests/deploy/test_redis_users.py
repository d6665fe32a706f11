"""deploy/redis/users.acl on a real Redis: each user does its whole job, and is refused what is none of it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import redis

from deploy.doctor.finding import Grade
from deploy.doctor.redis import examine_redis
from deploy.doctor.ward import examine_ward
from services.inference.api.access import Access
from services.inference.api.alert_log import AlertLog
from services.inference.api.app import make_app
from services.inference.engine import open_engine
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.worker import Worker
from services.inference.webhook.claim import Claim
from services.ingest.gateway.starts import SessionStarts
from services.ingest.scenario import parse
from services.ingest.streaming import Plan, stream
from services.ingest.ward import ward_of
from shared.artefact import Model
from shared.connection import Client, connect, connect_async
from shared.settings import Settings, load
from shared.shards import alerts_key, position_key, stream_key

ROOT = Path(__file__).resolve().parents[2]
SHARDS = 2
OVERRIDES = (
    f"stream.shards={SHARDS}", "ingest.metrics_port=0", "ingest.max_lag_s=1000000", "ingest.upkeep_s=0.05",
    "monitor.lease_s=20", "monitor.heartbeat_s=0.3", "monitor.pace_s=0.02", "api.command_wait_s=20",
    "alarm.off=0", "alarm.low=0", "alarm.medium=0.5", "alarm.high=0.9", "alarm.on_windows=1", "alarm.of_windows=1",
)  # fmt: skip
WARD = "name: t\nseed: 4\nrates_hz: [100]\npatients: [{kind: NORM, count: 4}]\n"
STRANGE = (  # an operator's alone, whichever role is stolen
    ("FLUSHALL",), ("CONFIG", "GET", "*"), ("ACL", "LIST"), ("SHUTDOWN",), ("KEYS", "*"), ("DEBUG", "SLEEP", "0"),
    ("SCRIPT", "FLUSH"), ("REPLICAOF", "NO", "ONE"), ("MODULE", "LIST"), ("MONITOR",), ("CLIENT", "LIST"),
    ("GET", "of-somebody-else"),
)  # fmt: skip
FOREIGN = {  # what another role may do, and this one may not
    "ingest": (
        ("EVAL", "return 1", "0"),
        ("XRANGE", "alert:{s00}", "-", "+"),
        ("HGETALL", "state:{s00}"),
        ("XADD", "cmd:{s00}", "*", "body", "x"),
        ("XADD", "alert:{s00}", "*", "id", "x"),
    ),
    "monitor": (("GET", "start:{s00}:1:p"), ("HGETALL", "source:{t}"), ("GET", "once:{s00}:x")),
    "api": (
        ("HSET", "pos:{s00}", "offset", "9-9"),
        ("DEL", "alert:{s00}"),
        ("XTRIM", "audit:{s00}", "MAXLEN", "0"),
        ("HGETALL", "parked:{s00}"),
        ("HGETALL", "source:{t}"),
        ("RPUSH", "trend:{s00}:p", "x"),
    ),
    "webhook": (
        ("XRANGE", "ecg:{s00}", "-", "+"),
        ("HGETALL", "latest:{s00}"),
        ("XADD", "alert:{s00}", "*", "a", "b"),
    ),
    "watch": (
        ("SET", "selfmis:layout", "x"),
        ("XADD", "ecg:{s00}", "*", "b", "x"),
        ("EVAL", "return 1", "0"),
        ("XRANGE", "alert:{s00}", "-", "+"),
        ("HGETALL", "latest:{s00}"),
    ),
}


@dataclass(frozen=True)
class Guarded:
    """A Redis that knows the users of the file."""

    port: int

    def url(self, user: str) -> str:
        return f"redis://{user}:secret-of-{user}@127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def guarded(start_redis: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    text = (ROOT / "deploy" / "redis" / "users.acl").read_text(encoding="utf-8")
    for user in FOREIGN:
        assert text.count(f">PASSWORD-{user.upper()} ") == 1
        text = text.replace(f">PASSWORD-{user.upper()} ", f">secret-of-{user} ")
    file = tmp_path_factory.mktemp("users") / "users.acl"
    file.write_text(text)
    return Guarded(start_redis("--aclfile", str(file)))


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(environ={}, overrides=OVERRIDES).settings


@pytest.fixture(scope="module")
def watched(guarded: Guarded, settings: Settings, model: Model, wait_until: Callable[..., None]) -> Iterator[None]:
    """A monitor as user `monitor`, and thirty seconds of a ward streamed by user `ingest`, all committed."""
    worker = Worker(PullLoop(guarded.url("monitor"), settings, "replica", open_engine(model, settings.engine)))
    worker.start()
    scenario = parse(WARD, "t")
    sources, faults = ward_of(scenario, Path()).sources, scenario.network.faults()
    plan = Plan("t", scenario.digest(), sources, float("inf"), 30, faults, scenario.seed, new_run=True)
    stream(plan, settings, guarded.url("ingest"), stop=threading.Event(), live=False)
    with connect(guarded.url("watch")) as client:
        wait_until(lambda: caught_up(client), "all that was streamed is committed", 120)
    worker.check()
    yield
    assert worker.stop(60)


@pytest.fixture(scope="module")
def wait_until() -> Callable[..., None]:
    from tests.real_redis import until

    return until


def caught_up(client: Client) -> bool:
    rows = [client.xrevrange(stream_key(shard), count=1) for shard in range(SHARDS)]
    return any(rows) and all(
        not found or found[0][0] == client.hget(position_key(shard), "offset") for shard, found in enumerate(rows)
    )


@pytest.mark.parametrize("user", FOREIGN)
def test_a_user_is_refused_what_is_not_of_its_role(guarded: Guarded, user: str) -> None:
    with connect(guarded.url(user)) as client:
        for command in (*STRANGE, *FOREIGN[user]):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)


def test_nobody_gets_in_without_a_name_and_the_probe_does_nothing_but_ping(guarded: Guarded) -> None:
    with redis.Redis(port=guarded.port) as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.get("selfmis:layout")
    with redis.Redis(port=guarded.port, username="probe", password="any") as client:
        assert client.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.get("selfmis:layout")


@pytest.mark.usefixtures("watched")
def test_api_answers_its_views_and_its_commands_are_applied(
    guarded: Guarded, settings: Settings, model: Model
) -> None:
    app = make_app(lambda: connect(guarded.url("api")), settings, str(model.folder), Access())

    async def ask() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as web:
            listed = (await web.get("/api/patients")).json()["patients"]
            assert len(listed) == 4
            name = listed[0]["patient"]
            said = {"who": "a test", "why": ""}
            for path in (
                "/readyz",
                "/metrics",
                "/api/summary",
                "/api/alerts",
                "/api/audit",
                "/fhir/Communication",
            ):
                answer = await web.get(path)
                assert answer.status_code == 200, (path, answer.text)
            for path in (f"/api/patients/{name}", f"/api/patients/{name}/trend"):
                answer = await web.get(path)
                assert answer.status_code == 200, (path, answer.text)
            keyed = {"Idempotency-Key": "k"}
            answer = await web.post(f"/api/patients/{name}/standby", json=said, headers=keyed)
            assert answer.json()["outcome"] == "applied", answer.text

    asyncio.run(ask())


@pytest.mark.usefixtures("watched")
def test_the_gateway_agrees_on_session_starts_as_ingest(guarded: Guarded) -> None:
    async def agree() -> dict[tuple[bytes, int], int]:
        client = await connect_async(guarded.url("ingest"))
        try:
            starts = SessionStarts(client, shards=SHARDS, memory_s=60, generation=lambda: 0)
            return await starts.agree({(b"p", 7): 5})
        finally:
            await client.aclose()

    assert asyncio.run(agree()) == {(b"p", 7): 5}


@pytest.mark.usefixtures("watched")
def test_the_webhook_claims_a_receiver_and_reads_alerts(guarded: Guarded) -> None:
    with connect(guarded.url("webhook")) as client:
        log = AlertLog(client, SHARDS)
        claim = Claim(client, "https://example.org/x", lease_ms=5000)
        assert claim.take()
        cursor = claim.cursor(log)
        assert cursor is not None
        newest = [client.xrevrange(alerts_key(shard), count=1) for shard in range(SHARDS)]
        assert any(newest)
        assert claim.settled(0, (1, 1))
        log.wait(cursor, 10)
        claim.release()


@pytest.mark.usefixtures("watched")
def test_the_doctor_examines_redis_and_the_ward(guarded: Guarded) -> None:
    with connect(guarded.url("watch")) as client:
        found = [*examine_redis(client, SHARDS), *examine_ward(client, SHARDS, 0.1, lambda _s: None)]
    assert {each.check for each in found if each.grade is Grade.SKIPPED} <= {"redis settings"}
    assert "layout" in {each.check for each in found if each.grade is Grade.OK}
