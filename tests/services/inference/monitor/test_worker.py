"""Does a loop live, does it hang, does it leave in order: real loops over a real Redis."""

import threading
import time

import pytest

from services.inference.api import reading
from services.inference.engine import Engine, open_engine
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.worker import SILENT_S, LoopDead, Worker
from shared.artefact import Model
from shared.pinning import pin
from shared.redis.connection import Client
from shared.sections import EngineSettings
from shared.settings import load
from tests.waiting import until

SETTINGS = load(environ={}, overrides=("stream.shards=4", "monitor.lease_s=30", "monitor.pace_s=0.02")).settings


@pytest.fixture(scope="module")
def engine(model: Model) -> Engine:
    return open_engine(model, EngineSettings())


def owned(client: Client) -> int:
    return reading.standing(client, 4).owned


def working(url: str, engine: Engine, client: Client, wait_for: int = 4) -> Worker:
    worker = Worker(PullLoop(url, SETTINGS, "replica", engine))
    worker.start()
    until(lambda: owned(client) >= wait_for)
    return worker


def checked_for(worker: Worker, seconds: float) -> None:
    """Ask, and ask again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        worker.check()
        time.sleep(0.02)


def test_a_loop_that_works_passes_and_one_that_was_stopped_has_given_all_its_shards_back(
    redis_url: str, client: Client, engine: Engine
) -> None:
    worker = working(redis_url, engine, client)
    worker.check()
    assert worker.stop(within_s=20)
    assert owned(client) == 0  # with half a minute of lease left
    with pytest.raises(LoopDead, match=r"ended: it was stopped$"):
        worker.check()


def test_a_loop_that_died_says_of_what_in_one_line(redis_url: str, client: Client, engine: Engine) -> None:
    pin(client, 7)
    worker = Worker(PullLoop(redis_url, SETTINGS, "replica", engine))
    worker.start()
    with pytest.raises(LoopDead, match=r"the pull loop has ended: .*7") as refusal:
        checked_for(worker, 20)
    assert "\n" not in str(refusal.value)


def test_a_loop_that_hangs_fails_the_check_and_does_not_leave(
    redis_url: str, client: Client, engine: Engine
) -> None:
    ahead = 0.0
    worker = Worker(PullLoop(redis_url, SETTINGS, "replica", engine), clock=lambda: time.monotonic() + ahead)
    hanging, release = threading.Event(), threading.Event()

    def hang() -> None:
        hanging.set()
        release.wait(30)

    worker.loop.turn = hang  # type: ignore[method-assign]  # no part of a turn hangs by itself
    worker.start()
    assert hanging.wait(20)
    worker.check()
    ahead = SILENT_S + 1
    with pytest.raises(LoopDead, match="silent for 31 s"):
        worker.check()
    assert not worker.stop(within_s=0.1)
    release.set()
    assert worker.stop(within_s=20)


def test_a_loop_waits_out_a_redis_that_is_away_and_stays_healthy(
    redis_url: str, client: Client, engine: Engine
) -> None:
    worker = working(redis_url, engine, client)
    client.client_kill_filter(_type="normal", skipme=True)
    beat = worker.loop.pulse.beat_s
    until(lambda: worker.loop.pulse.beat_s != beat)
    worker.check()
    assert worker.stop(within_s=20)


def test_a_loop_that_never_began_is_stopped_at_once(redis_url: str, engine: Engine) -> None:
    worker = Worker(PullLoop(redis_url, SETTINGS, "replica", engine))
    assert worker.stop(within_s=0.1)
    assert not worker.started
