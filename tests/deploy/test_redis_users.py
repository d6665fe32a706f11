"""deploy/redis/users.acl on a real Redis: each user does its whole job, and is refused what is none of it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from deploy.doctor.finding import Grade
from deploy.doctor.redis import examine_redis
from deploy.doctor.ward import examine_ward
from services.inference.api.access import Access
from services.inference.api.alert_log import AlertLog, Wanted
from services.inference.api.app import make_app
from services.inference.api.cursor import Cursor
from services.inference.api.strip_log import StripLog
from services.inference.engine import open_engine
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.worker import Worker
from services.inference.webhook.claim import Claim
from services.ingest.gateway.starts import SessionStarts
from services.ingest.scenario import parse
from services.ingest.streaming import Plan, stream
from services.ingest.ward import ward_of
from shared.artefact import Model
from shared.redis.connection import Client, connect, connect_async
from shared.settings import Settings, load
from shared.shards import position_key, stream_key
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
SHARDS = 2
OVERRIDES = (
    f"stream.shards={SHARDS}", "ingest.metrics_port=0", "ingest.max_lag_s=1000000", "ingest.upkeep_s=0.05",
    "monitor.lease_s=20", "monitor.heartbeat_s=0.3", "monitor.pace_s=0.02", "api.command_wait_s=20",
    "alarm.off=0.0001", "alarm.low=0.0002", "alarm.medium=0.5", "alarm.high=0.9",
    "alarm.on_windows=1", "alarm.of_windows=1",
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

    @contextmanager
    def nobody_is_refused(self, *but: str) -> Iterator[None]:
        """What Redis itself says it refused meanwhile is nothing: a program may swallow its refusals.

        But ``CLIENT``: redis-py tells its version as it connects, and asks no more where that is not allowed.
        """
        with connect(self.url("operator")) as client:
            client.execute_command("ACL", "LOG", "RESET")
            yield
            told: Any = client.execute_command("ACL", "LOG")
        rows = [dict(zip(each[::2], each[1::2], strict=True)) for each in told]
        refused = {(row[b"username"].decode(), row[b"object"].decode()) for row in rows}
        assert {(user, what) for user, what in refused if what not in {"client", *but}} == set()


@pytest.fixture(scope="module")
def guarded(start_redis: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    text = (ROOT / "deploy" / "redis" / "users.acl").read_text(encoding="utf-8")
    for user in (*FOREIGN, "operator"):
        assert text.count(f">PASSWORD-{user.upper()} ") == 1
        text = text.replace(f">PASSWORD-{user.upper()} ", f">secret-of-{user} ")
    file = tmp_path_factory.mktemp("users") / "users.acl"
    file.write_text(text)
    return Guarded(start_redis("--aclfile", str(file)))


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(environ={}, overrides=OVERRIDES).settings


@pytest.fixture(scope="module")
def watched(guarded: Guarded, settings: Settings, model: Model) -> Iterator[None]:
    """A monitor as user `monitor`, and thirty seconds of a ward streamed by user `ingest`, all committed."""
    worker = Worker(PullLoop(guarded.url("monitor"), settings, "replica", open_engine(model, settings.engine)))
    scenario = parse(WARD, "t")
    sources, faults = ward_of(scenario, Path()).sources, scenario.network.faults()
    plan = Plan("t", scenario.digest(), sources, float("inf"), 30, faults, scenario.seed, new_run=True)
    try:
        with guarded.nobody_is_refused(), connect(guarded.url("watch")) as client:
            worker.start()
            stream(plan, settings, guarded.url("ingest"), stop=threading.Event(), live=False)
            until(lambda: caught_up(client), "all that was streamed is committed", 120)
            worker.check()
        yield
    finally:
        assert worker.stop(60)


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

            async def got(path: str) -> Any:
                answer = await web.get(path)
                assert answer.status_code == 200, (path, answer.text)
                return answer.json() if "json" in answer.headers["content-type"] else None

            async def done(path: str) -> None:
                said = {"who": "a test", "why": ""}
                answer = await web.post(path, json=said, headers={"Idempotency-Key": path})
                assert answer.json()["outcome"] == "applied", answer.text

            listed = (await got("/api/patients"))["patients"]
            assert len(listed) == 4
            for path in (
                "/readyz",
                "/metrics",
                "/api/summary",
                "/api/counters",
                "/api/audit",
                "/fhir/Communication",
            ):
                await got(path)
            name = listed[0]["patient"]
            for below in ("", "/trend", "/strip"):
                await got(f"/api/patients/{name}{below}")
            alert = (await got("/api/alerts"))["alerts"][0]
            for path in ("/api/alerts", "/fhir/Communication", "/fhir/Observation"):
                await got(f"{path}/{alert['id']}")
            await done(f"/api/patients/{alert['patient']}/alarms/{alert['alarm']}/acknowledge")
            await done(f"/api/patients/{name}/standby")
            assert (await got("/api/audit"))["audit"]

    with guarded.nobody_is_refused():
        asyncio.run(ask())
        with connect(guarded.url("api")) as client:  # what the event streams wait with
            AlertLog(client, SHARDS).wait(Cursor(SHARDS, {}), 10)
            ends = StripLog(client, SHARDS, 0).ends(range(SHARDS))
            StripLog(client, SHARDS, 0).after(ends)


@pytest.mark.usefixtures("watched")
def test_the_gateway_agrees_on_session_starts_as_ingest(guarded: Guarded) -> None:
    async def agree() -> dict[tuple[bytes, int], int]:
        client = await connect_async(guarded.url("ingest"))
        try:
            starts = SessionStarts(client, shards=SHARDS, memory_s=60, generation=lambda: 0)
            return await starts.agree({(b"p", 7): 5})
        finally:
            await client.aclose()

    with guarded.nobody_is_refused():
        assert asyncio.run(agree()) == {(b"p", 7): 5}


@pytest.mark.usefixtures("watched")
def test_the_webhook_claims_a_receiver_and_reads_alerts(guarded: Guarded) -> None:
    with guarded.nobody_is_refused(), connect(guarded.url("webhook")) as client:
        log = AlertLog(client, SHARDS)
        claim = Claim(client, "https://example.org/x", lease_ms=5000)
        assert claim.take()
        assert claim.cursor(log) is not None
        (row,) = log.newest(Wanted(), 1)
        assert claim.settled(row.shard, row.id)
        assert claim.cursor(log) is not None
        rows, _ = log.onward(Cursor(SHARDS, {}), 10)
        assert rows
        assert log.wait(Cursor(SHARDS, {}), 10)
        claim.release()


@pytest.mark.usefixtures("watched")
def test_the_doctor_examines_redis_and_the_ward(guarded: Guarded) -> None:
    with guarded.nobody_is_refused("config"), connect(guarded.url("watch")) as client:
        found = [*examine_redis(client, SHARDS, 5.0), *examine_ward(client, SHARDS, 0.1, lambda _s: None)]
    assert {each.check for each in found if each.grade is Grade.SKIPPED} <= {"redis settings"}
    assert "layout" in {each.check for each in found if each.grade is Grade.OK}
